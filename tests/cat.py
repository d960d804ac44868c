"""cat.py PROGRAM: docs/examples/cat.c between all kinds of standard input and output.

Each is a file, a pipe, a FIFO, a terminal, a socket, or /dev/null; what comes out is what went in, and
O_NONBLOCK is on none of them, while the program runs, after its end, and after it was killed."""
import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import tty

PROGRAM = sys.argv[1]
TIMEOUT_S = 20
READER_GONE = 141
LINES = b''.join(b'line %d\n' % i for i in range(3000))  # 29 KB: more than a terminal takes at once


def check(truth, what):
    if not truth:
        sys.exit('cat: ' + what)


def is_blocking(fd):
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


def feed(fd, data, end):
    """Writes all of it in a thread of its own, then calls `end`."""
    def run():
        at = 0
        while at < len(data):
            at += os.write(fd, data[at:at + 1024])
        end()
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def collect(fd, into):
    def run():
        while True:
            try:
                piece = os.read(fd, 65536)
            except OSError:  # a pty's slave is closed
                piece = b''
            if not piece:
                return
            into.append(piece)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


class Input:
    """`fd` is for the program; `end` lets go of what is behind it."""

    def __init__(self, kind, directory):
        self.data, self.thread, self.others, self.status = LINES, None, [], 0
        if kind == 'file':
            path = os.path.join(directory, 'in')
            with open(path, 'wb') as file:
                file.write(LINES)
            self.fd = os.open(path, os.O_RDONLY)
        elif kind == 'pipe':
            self.fd, writer = os.pipe()
            self.thread = feed(writer, LINES, lambda: os.close(writer))
        elif kind == 'fifo':  # whose writer has come and gone before the program starts
            path = os.path.join(directory, 'fifo')
            os.mkfifo(path)
            writer = os.open(path, os.O_RDWR)
            self.fd = os.open(path, os.O_RDONLY)
            self.data = LINES[:4000]
            os.write(writer, self.data)
            os.close(writer)
            os.unlink(path)
        elif kind == 'terminal':
            master, self.fd = pty.openpty()
            mode = termios.tcgetattr(self.fd)
            mode[3] &= ~termios.ECHO
            termios.tcsetattr(self.fd, termios.TCSANOW, mode)
            self.thread = feed(master, LINES + b'\x04', lambda: None)
            self.others = [master]
        elif kind == 'socket':
            ours, theirs = socket.socketpair()
            self.fd = theirs.detach()
            writer = ours.detach()
            self.thread = feed(writer, LINES, lambda: os.close(writer))
        elif kind == 'null':
            self.data, self.fd = b'', os.open('/dev/null', os.O_RDONLY)
        else:
            self.data, self.fd, self.status = b'', os.open(directory, os.O_RDONLY), 1

    def end(self):
        if self.thread:
            self.thread.join(TIMEOUT_S)
        for fd in [self.fd] + self.others:
            os.close(fd)


class Output:
    def __init__(self, kind, directory):
        self.pieces, self.thread, self.other, self.path, self.before = [], None, -1, None, b''
        if kind in ('file', 'append'):
            self.path = os.path.join(directory, 'out')
            self.before = b'before\n' if kind == 'append' else b''
            with open(self.path, 'wb') as file:
                file.write(self.before)
            self.fd = os.open(self.path, os.O_WRONLY | (os.O_APPEND if kind == 'append' else 0))
        elif kind == 'pipe':
            self.other, self.fd = os.pipe()
        elif kind == 'terminal':
            self.other, self.fd = pty.openpty()
            tty.setraw(self.fd)
        elif kind == 'socket':
            ours, theirs = socket.socketpair()
            self.other, self.fd = ours.detach(), theirs.detach()
        else:
            self.fd = os.open('/dev/null', os.O_WRONLY)
        if self.other >= 0:
            self.thread = collect(self.other, self.pieces)

    def end(self, data, what):
        os.close(self.fd)
        if self.thread:
            self.thread.join(TIMEOUT_S)
            check(not self.thread.is_alive(), what + ': the output does not end')
            os.close(self.other)
            check(b''.join(self.pieces) == data, what + ': other bytes come out')
        elif self.path:
            with open(self.path, 'rb') as file:
                check(file.read() == self.before + data, what + ': other bytes are in the file')


def try_one(source_kind, sink_kind):
    what = source_kind + ' to ' + sink_kind
    with tempfile.TemporaryDirectory() as directory:
        source, sink = Input(source_kind, directory), Output(sink_kind, directory)
        try:
            done = subprocess.run([PROGRAM], stdin=source.fd, stdout=sink.fd, stderr=subprocess.PIPE,
                                  timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            print('cat: %s: it does not end' % what, flush=True)
            os._exit(1)  # threads wait for it
        check(done.returncode == source.status,
              '%s: status %d, %s' % (what, done.returncode, done.stderr))
        check(bool(done.stderr) == (source.status != 0), what + ': ' + done.stderr.decode())
        check(is_blocking(source.fd) and is_blocking(sink.fd), what + ': O_NONBLOCK is left behind')
        source.end()
        sink.end(source.data, what)


def try_killed(sink_kind):
    """While it runs, and after SIGKILL, what is shared is as it was."""
    reader, writer = os.pipe()
    if sink_kind == 'terminal':
        other, sink = pty.openpty()
        tty.setraw(sink)
    else:
        other, sink = os.pipe()
    program = subprocess.Popen([PROGRAM], stdin=reader, stdout=sink)
    os.write(writer, b'x')
    check(os.read(other, 1) == b'x', 'nothing comes through')
    check(is_blocking(reader) and is_blocking(sink), 'O_NONBLOCK is set while it runs')
    program.send_signal(signal.SIGKILL)
    program.wait(TIMEOUT_S)
    check(is_blocking(reader) and is_blocking(sink), 'O_NONBLOCK is left behind by SIGKILL')
    for fd in (reader, writer, other, sink):
        os.close(fd)


def try_shared_position():
    """(cat; cat) < file: the second goes on where the first ended, which is the end; and after what
    somebody else has read."""
    with tempfile.TemporaryFile() as file:
        file.write(LINES)
        file.seek(1000)
        os.lseek(file.fileno(), 1000, os.SEEK_SET)
        for expected in (LINES[1000:], b''):
            done = subprocess.run([PROGRAM], stdin=file.fileno(), stdout=subprocess.PIPE, timeout=TIMEOUT_S)
            check(done.stdout == expected and done.returncode == 0, 'the position is not the shared one')


def try_reader_gone():
    for disposition in (signal.SIG_DFL, signal.SIG_IGN):
        reader, writer = os.pipe()
        program = subprocess.Popen([PROGRAM, '/dev/zero'], stdout=writer, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition))
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        said = program.communicate(timeout=TIMEOUT_S)[1]
        check(program.returncode == READER_GONE and not said,
              'without its reader: status %d, %s' % (program.returncode, said))


def try_slow_reader():
    """/dev/zero into a pipe that nobody reads: memory stays bounded."""
    reader, writer = os.pipe()
    program = subprocess.Popen([PROGRAM, '/dev/zero'], stdout=writer)
    os.close(writer)
    select.select([reader], [], [], TIMEOUT_S)
    for _ in range(200):
        check(os.read(reader, 65536), 'it has ended')
    with open('/proc/%d/statm' % program.pid) as file:
        pages = int(file.read().split()[1])
    check(pages * os.sysconf('SC_PAGE_SIZE') < 64 << 20, 'memory grows')
    program.kill()
    program.wait(TIMEOUT_S)
    os.close(reader)


def try_errors():
    done = subprocess.run([PROGRAM, '/nonexistent', '/dev/null'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(done.returncode == 1 and b'/nonexistent' in done.stderr, 'a file that is not there')
    check(subprocess.run([PROGRAM, '--what'], stderr=subprocess.PIPE).returncode == 2, 'usage')
    if os.path.exists('/dev/full'):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([PROGRAM], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE)
            check(done.returncode == 0, 'nothing to write')
            done = subprocess.run([PROGRAM], input=b'x', stdout=full, stderr=subprocess.PIPE)
            check(done.returncode == 1 and b'standard output' in done.stderr, 'a full disk')


for source_kind in ('file', 'pipe', 'fifo', 'terminal', 'socket', 'null', 'directory'):
    for sink_kind in ('file', 'append', 'pipe', 'terminal', 'socket', 'null'):
        try_one(source_kind, sink_kind)
for sink_kind in ('pipe', 'terminal'):
    try_killed(sink_kind)
try_shared_position()
try_reader_gone()
try_slow_reader()
try_errors()
