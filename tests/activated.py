"""activated.py PROGRAM: docs/examples/activated.c, started as systemd starts it: with sockets that listen already, of
each kind, and somebody who waits in their backlog."""
import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # this is a directory of sources
from examples_common import PATIENCE_S, Example

# Puts its descriptors where the protocol has them, says whose they are, and becomes the program.
STARTER = """import fcntl, os, sys
fds, environment, command = eval(sys.argv[1]), eval(sys.argv[2]), sys.argv[3:]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 30) for fd in fds]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ['LISTEN_PID'] = str(os.getpid())
os.environ['LISTEN_FDS'] = str(len(fds))
os.environ.update(environment)
os.execvp(command[0], command)
"""


class Activated(Example):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.path = os.path.join(place.name, 'socket')

    def listening(self, family, kind, address):
        it = socket.socket(family, kind)  # blocking, and closed when another program is executed
        self.addCleanup(it.close)
        it.bind(address)
        if kind != socket.SOCK_DGRAM:
            it.listen()
        return it

    def tcp(self):
        return self.listening(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 0))

    def local(self, kind=socket.SOCK_STREAM, suffix=''):
        return self.listening(socket.AF_UNIX, kind, self.path + suffix)

    def activate(self, sockets, *args, environment=None, **options):
        fds = [it.fileno() for it in sockets]
        process = subprocess.Popen([sys.executable, '-c', STARTER, repr(fds), repr(environment or {}),
            *self.command(*args)], pass_fds=fds, **options)
        self.addCleanup(self.end, process)
        return process

    def visit(self, address, kind=socket.SOCK_STREAM):
        visitor = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, kind)
        self.addCleanup(visitor.close)
        visitor.settimeout(PATIENCE_S)
        visitor.connect(address)
        return visitor

    def hear(self, visitor, said):
        heard = b''
        while len(heard) < len(said) and (piece := visitor.recv(1000)):
            heard += piece
        self.assertEqual(heard, said)

    def fails(self, sockets, what, error, environment=None):
        process = self.activate(sockets, environment=environment, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=PATIENCE_S)
        self.complains(said, what, error)
        self.assertEqual(process.returncode, 1)

    def test_sockets_of_all_kinds_and_who_waits_in_their_backlog(self):
        sockets = [self.tcp(), self.local(), self.local(socket.SOCK_SEQPACKET, '.records')]
        addresses = [it.getsockname() for it in sockets]
        visitors = [self.visit(addresses[i], sockets[i].type) for i in range(3)]
        for it in visitors:
            it.send(b'early\n')
        process = self.activate(sockets, 0, environment={'LISTEN_FDNAMES': 'web:control:frames'})
        for name, it in zip((b'web', b'control', b'frames'), visitors):
            self.hear(it, name + b': early\n')
            it.send(b'more')
            self.hear(it, name + b': more')
            it.close()
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_the_name_and_the_backlog_outlive_it(self):
        it = self.local()
        for _ in range(2):
            visitor = self.visit(self.path)
            process = self.activate([it], 0)
            visitor.sendall(b'hello\n')
            self.hear(visitor, b'unknown: hello\n')
            visitor.close()
            self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_somebody_elses_sockets_are_not_taken(self):
        it = [self.tcp()]
        self.fails(it, 'LISTEN_FDS, LISTEN_PID', errno.ENOENT, {'LISTEN_PID': '1'})
        self.fails(it, 'LISTEN_FDS, LISTEN_PID', errno.ENOENT, {'LISTEN_PID': ''})
        for senseless in '0', '-1', 'x', '':
            self.fails(it, 'LISTEN_FDS, LISTEN_PID', errno.ENOENT, {'LISTEN_FDS': senseless})
        self.fails(it, 'LISTEN_FDS', errno.ERANGE, {'LISTEN_FDS': '1000000'})

    def test_what_does_not_listen_is_named(self):
        names = {'LISTEN_FDNAMES': 'web:log'}
        self.fails([self.tcp(), self.local(socket.SOCK_DGRAM)], 'log', errno.EINVAL, names)
        with tempfile.TemporaryFile() as file:
            self.fails([file], 'web', errno.ENOTSOCK, names)

    def test_bad_arguments(self):
        for bad in 'x', '-1', '', 'nan', '1e9':
            self.refuses(bad)
        self.refuses('1', '2')

    @unittest.skipUnless(shutil.which('systemd-socket-activate'), 'there is no systemd-socket-activate')
    def test_started_by_systemd_socket_activate(self):
        process = subprocess.Popen(['systemd-socket-activate', '-l', self.path, '--fdname=control',
            os.path.abspath(self.program), '0'], stderr=subprocess.DEVNULL)
        self.addCleanup(self.end, process)
        self.until(lambda: os.path.exists(self.path))
        visitor = self.until(self.admitted)
        visitor.sendall(b'hello\n')
        self.hear(visitor, b'control: hello\n')
        visitor.close()
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def admitted(self):
        try:
            return self.visit(self.path)
        except ConnectionRefusedError:  # between bind and listen
            return None


if __name__ == '__main__':
    Activated.name, Activated.program = 'activated', sys.argv.pop(1)
    unittest.main()
