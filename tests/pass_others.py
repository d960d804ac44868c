"""pass_others.py PROGRAM BACKEND: eddy passes descriptors to another program, and takes what that sends:
Python's socket.send_fds and recv_fds, which are SCM_RIGHTS and nothing else. PROGRAM is tests/pass_peer.c."""
import os
import socket
import subprocess
import sys
import unittest

PATIENCE_S = 60
PASS_MAX = 253


class Others(unittest.TestCase):
    program = backend = None
    kind = socket.SOCK_STREAM

    def setUp(self):
        self.here, there = socket.socketpair(socket.AF_UNIX, self.kind)
        self.addCleanup(self.here.close)
        self.here.settimeout(PATIENCE_S)
        with there:
            self.peer = subprocess.Popen([self.program, str(there.fileno()), self.backend],
                pass_fds=[there.fileno()], stderr=subprocess.PIPE)
        self.addCleanup(self.peer.stderr.close)
        self.addCleanup(self.peer.wait)
        self.addCleanup(self.peer.kill)

    def end(self, said=b''):
        self.here.shutdown(socket.SHUT_WR)
        self.assertEqual(self.peer.stderr.read(), said)
        self.assertEqual(self.peer.wait(PATIENCE_S), 0)

    def receive(self, size):
        """So many bytes, and the inodes of what came with them."""
        data, inodes = b'', []
        while len(data) < size:
            part, fds, flags, _ = socket.recv_fds(self.here, 1 << 20, PASS_MAX)
            self.assertNotEqual(part, b'')
            self.assertFalse(flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC))
            data += part
            for fd in fds:
                inodes.append(os.fstat(fd).st_ino)
                os.close(fd)
        return data, inodes

    def test_some_come_back(self):
        ends = [end for _ in range(5) for end in os.pipe()]
        self.addCleanup(lambda: [os.close(it) for it in ends])
        inodes = [os.fstat(it).st_ino for it in ends]
        for count in (1, 4, 5, 10):
            socket.send_fds(self.here, [b'hello'], ends[:count])
            self.assertEqual(self.receive(5), (b'hello', inodes[:count]))
        self.here.sendall(b'plain')
        self.assertEqual(self.receive(5), (b'plain', []))
        self.end()

    def test_as_many_as_there_may_be(self):
        with open(self.program, 'rb') as file:
            inode = os.fstat(file.fileno()).st_ino
            for _ in range(3):
                socket.send_fds(self.here, [b'x'], [file.fileno()] * PASS_MAX)
                self.assertEqual(self.receive(1), (b'x', [inode] * PASS_MAX))
        self.end()

    def test_nothing_stays_open(self):
        reading, writing = os.pipe()
        socket.send_fds(self.here, [b'x'], [writing] * 7)
        self.receive(1)
        os.close(writing)
        self.assertEqual(os.read(reading, 1), b'')  # all writing ends are closed
        os.close(reading)
        self.end()

    def test_the_socket_itself(self):
        socket.send_fds(self.here, [b'x'], [self.here.fileno()])
        self.assertEqual(self.receive(1), (b'x', [os.fstat(self.here.fileno()).st_ino]))
        self.end()


class Records(Others):
    kind = getattr(socket, 'SOCK_SEQPACKET', None)

    def setUp(self):
        try:
            super().setUp()
        except OSError:
            self.skipTest('the system has no records')

    def test_each_has_its_own(self):
        with open(self.program, 'rb') as file:
            for count in (1, 0, 2, 0, 3):
                if count:
                    socket.send_fds(self.here, [b'x' * (count + 1)], [file.fileno()] * count)
                else:
                    self.here.sendall(b'y')
            inode = os.fstat(file.fileno()).st_ino
            for count in (1, 0, 2, 0, 3):
                data, fds, _, _ = socket.recv_fds(self.here, 100, PASS_MAX)
                self.assertEqual(data, b'x' * (count + 1) if count else b'y')
                self.assertEqual([os.fstat(it).st_ino for it in fds], [inode] * count)
                for fd in fds:
                    os.close(fd)
        self.end()


if __name__ == '__main__':
    Others.program, Others.backend = sys.argv[1:]
    here, there = socket.socketpair()
    here.close()  # the peer has nothing to do, if it can begin
    with there:
        if subprocess.call([Others.program, str(there.fileno()), Others.backend], pass_fds=[there.fileno()]) == 77:
            sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
