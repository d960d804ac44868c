"""lines.py PROGRAM: docs/examples/lines.c, asked as a client of memcached would, in one piece and in many, with what
is too long, and by clients that send and never read."""
import re
import socket
import sys
import unittest

sys.dont_write_bytecode = True  # this is a directory of sources
from examples_common import PATIENCE_S, Example


class Lines(Example):
    def setUp(self):
        process = self.start()
        self.port = int(re.search(rb':(\d+)\n', process.stdout.readline())[1])
        self.connection = self.connect()

    def connect(self):
        connection = socket.create_connection(('127.0.0.1', self.port), PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(connection.close)
        return connection

    def hear(self, size, connection=None):
        said = b''
        while len(said) < size and (piece := (connection or self.connection).recv(size - len(said))):
            said += piece
        return said

    def answers(self, asked, said, connection=None):
        (connection or self.connection).sendall(asked)
        self.assertEqual(self.hear(len(said), connection), said)

    def ends(self, asked, said):
        """And then the server closes."""
        self.answers(asked, said)
        self.assertEqual(self.hear(1), b'')

    def test_values_come_by_length_and_may_hold_anything(self):
        value = bytes(range(256)) + b'\r\nget a\r\n'
        self.answers(b'set a 5 0 %d\r\n%b\r\n' % (len(value), value), b'STORED\r\n')
        self.answers(b'get a b\r\n', b'VALUE a 5 %d\r\n%b\r\nEND\r\n' % (len(value), value))
        self.answers(b'set a 0 0 0\r\n\r\nget a\r\n', b'STORED\r\nVALUE a 0 0\r\n\r\nEND\r\n')
        self.answers(b'delete a\r\ndelete a\r\nget a\r\n', b'DELETED\r\nNOT_FOUND\r\nEND\r\n')
        self.answers(b'set a 0 0 1 noreply\r\nx\r\nversion\r\nstats\r\n', b'VERSION lines\r\nERROR\r\n')
        self.ends(b'quit\r\n', b'')

    def test_answers_do_not_depend_on_the_pieces(self):
        asked = b'set a 1 0 4\r\n\r\n\r\n\r\nget a\r\n'
        for first in range(1, len(asked)):
            self.connection.sendall(asked[:first])
            self.answers(asked[first:], b'STORED\r\nVALUE a 1 4\r\n\r\n\r\n\r\nEND\r\n')
        for byte in asked[:-1]:
            self.connection.sendall(bytes([byte]))
        self.answers(asked[-1:], b'STORED\r\nVALUE a 1 4\r\n\r\n\r\n\r\nEND\r\n')

    def test_many_commands_in_one_piece(self):
        self.answers(b'version\r\n' * 20000, b'VERSION lines\r\n' * 20000)

    def test_what_is_too_large_is_skipped(self):
        self.answers(b'set a 0 0 3000000\r\n' + b'x' * 3000000 + b'\r\nget a\r\n',
            b'SERVER_ERROR out of memory storing object\r\nEND\r\n')
        self.answers(b'set a 0 0 1\r\nxx\r\n\r\n', b'CLIENT_ERROR bad data chunk\r\n')

    def test_line_without_an_end_is_the_end(self):
        self.ends(b'x' * 2048, b'CLIENT_ERROR line too long\r\n')

    def test_senseless_lengths_are_the_end(self):
        for line in b'set a 0 0 -1', b'set a 0 0 99999999999999999999', b'set a 0 0', b'set', b'set %b 0 0 1' % (b'k' * 251):
            self.connection = self.connect()
            self.ends(line + b'\r\n', b'CLIENT_ERROR bad command line format\r\n')

    def test_half_a_value_is_not_stored(self):
        self.connection.sendall(b'set a 0 0 10\r\nhalf')
        self.connection.shutdown(socket.SHUT_WR)
        self.assertEqual(self.hear(1), b'')
        self.answers(b'get a\r\n', b'END\r\n', self.connect())

    def test_who_does_not_read_is_not_asked_for_more(self):
        """What it has asked for stays in its own kernel, and all is answered as soon as it reads."""
        value = b'v' * 1000000
        self.answers(b'set a 0 0 1000000\r\n' + value + b'\r\n', b'STORED\r\n')
        said = b'VALUE a 0 1000000\r\n' + value + b'\r\nEND\r\n'
        self.connection.sendall(b'get a\r\n' * 40)
        self.answers(b'version\r\n', b'VERSION lines\r\n', self.connect())
        for _ in range(40):
            self.assertEqual(self.hear(len(said)), said)

    def test_bad_arguments(self):
        self.refuses('x')
        self.refuses('65536')
        self.refuses('1', '2')


if __name__ == '__main__':
    Lines.name, Lines.program = 'lines', sys.argv.pop(1)
    unittest.main()
