"""What proxy.py and http_proxy.py share: the program under test, peers that misbehave, and waiting for
conditions. WRAP, if it is set, is put before the program ("valgrind --quiet …"); then, and with a
sanitizer, fewer bytes go through, and the memory is not looked at."""
import ctypes
import errno
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

program, backend = os.path.realpath(sys.argv[1]), sys.argv[2]


def is_refused():
    """Whether this system has no io_uring for us: it says so before it looks at what is asked for."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(425, 0, None)
    return ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS)


if backend == 'io_uring' and is_refused():
    print('skipped: this system refuses io_uring')
    sys.exit(77)
is_measured = '--measure' in sys.argv
WRAP = os.environ.get('WRAP', '').split()
with open(program, 'rb') as file:
    is_checked = bool(WRAP) or bool(re.search(b'__[at]san_init', file.read()))
PATIENCE = 60 if is_checked else 20  # until something counts as not happening


def until(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError(f'not so in {patience} s: {what}')


class Program:
    """The proxy: `with Program(path, backend, options, …) as it`, which ends it, looks at its exit status,
    and whether it has left a descriptor behind."""

    def __init__(self, path, *arguments, limits=None):
        self.errors = []
        self.child = subprocess.Popen([*WRAP, path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, preexec_fn=limits)
        line = self.child.stdout.readline()
        found = re.search(r'(\d+\.\d+\.\d+\.\d+):(\d+)', line)
        assert found, (line, self.child.stderr.read())
        self.address = (found[1], int(found[2]))
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()
        self.descriptors = self.count_descriptors()
        self.may_end = False

    def read_errors(self):
        for line in self.child.stderr:
            if not line.startswith('--'):  # valgrind's remarks
                self.errors.append(line)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and not self.may_end:
                until('no descriptor left', lambda: self.count_descriptors() <= self.descriptors)
            self.signal(signal.SIGTERM)
            status = self.child.wait(PATIENCE)
            assert kind is not None or status == 0, (status, self.errors)
        finally:
            if self.child.poll() is None:
                self.child.kill()
                self.child.wait()
            self.reader.join(5)
            if kind is not None:
                sys.stderr.writelines(self.errors)

    def signal(self, number):
        if self.child.poll() is None:
            self.child.send_signal(number)

    def count_descriptors(self):
        try:
            return len(os.listdir(f'/proc/{self.child.pid}/fd'))
        except OSError:
            return 0

    def memory(self):
        """The most that it has had, in KiB."""
        with open(f'/proc/{self.child.pid}/status') as file:
            return int(re.search(r'VmHWM:\s+(\d+)', file.read())[1])

    def connect(self, receive_bytes=None):
        it = socket.socket()
        if receive_bytes:
            it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        it.settimeout(PATIENCE)
        it.connect(self.address)
        return it


class Upstream:
    """A listening socket; accept() for the next connection."""

    def __init__(self, backlog=64, port=0, receive_bytes=None):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.bind(('127.0.0.1', port))
        self.socket.listen(backlog)
        self.socket.settimeout(PATIENCE)
        self.name = '%s:%d' % self.socket.getsockname()
        self.port = self.socket.getsockname()[1]

    def accept(self):
        it, _ = self.socket.accept()
        it.settimeout(PATIENCE)
        return it

    def has_one(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self):
        self.socket.close()


def free_port():
    """Nobody listens there, and nobody else will: it is bound."""
    it = socket.socket()
    it.bind(('127.0.0.1', 0))
    return it, '127.0.0.1:%d' % it.getsockname()[1]


def reset(it):
    it.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    it.close()


def read_all(it):
    pieces = []
    while True:
        piece = it.recv(1 << 16)
        if not piece:
            return b''.join(pieces)
        pieces.append(piece)


def is_reset(it):
    """Whether the other side has cut it, whatever it has sent before; waits for the end of it."""
    try:
        read_all(it)
        return False
    except ConnectionResetError:
        return True


def is_broken(it):
    """Whether it has been reset, without reading from it."""
    poll = select.poll()
    poll.register(it, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def fill(it):
    """Sends until nobody takes any more for a while."""
    it.setblocking(False)
    sent = 0
    last = time.monotonic()
    while time.monotonic() < last + 0.3:
        try:
            sent += it.send(bytes(1 << 16))
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    it.settimeout(PATIENCE)
    return sent


def run_cases(cases):
    for case in cases:
        start = time.monotonic()
        case()
        print(f'{case.__name__}: {time.monotonic() - start:.2f} s', flush=True)
