"""examples_network.py: the examples that somebody has to talk to: client.c, chat.c, netcat.c."""
import errno
import fcntl
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time

from examples_common import PATIENCE_S, WRAPPER, Example


class Client(Example):
    def setUp(self):
        self.server = socket.socket()
        self.server.settimeout(PATIENCE_S)
        self.server.bind(('127.0.0.1', 0))  # and does not listen: it refuses
        self.port = self.server.getsockname()[1]
        self.addCleanup(self.server.close)

    def accept(self):
        connection, _ = self.server.accept()
        self.addCleanup(connection.close)
        return connection

    def serve(self):
        """Silent, ended, half an answer, an answer."""
        silent = self.accept()
        self.accept().close()
        half = self.accept()
        half.sendall(b'a piece and')  # and no more: the deadline is the whole line's
        last = self.accept()
        last.sendall(b'welcome ')
        last.sendall(b'back\nand more')
        self.asked = [silent.recv(100), half.recv(100), last.recv(100)]

    def test_refused_silent_ended_and_then_an_answer(self):
        process = self.start('127.0.0.1', self.port, 1000, 60000)
        lines = [process.stdout.readline() for _ in range(2)]  # refused
        self.server.listen()
        server = threading.Thread(target=self.serve)
        server.start()
        lines += process.stdout.readlines()
        server.join()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertEqual(self.asked, [b'hello\n'] * 3)
        tries = [re.fullmatch(r'try (\d+): (.*)\. Again in (\d+) ms\n', it.decode()) for it in lines[:-1]]
        for i, (number, _, delay_ms) in enumerate(it.groups() for it in tries):
            self.assertEqual(int(number), i + 1)
            most = min(100 << i, 2000)
            self.assertTrue(most // 2 <= int(delay_ms) <= most, lines)
        refused, late, reset = (os.strerror(it) for it in (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ECONNRESET))
        while tries[1][2] == refused:
            del tries[0]
        self.assertEqual([it[2] for it in tries], [refused, late, reset, late])
        self.assertEqual(lines[-1], b'try %d: "welcome back"\n' % len(lines))

    def test_all_of_it_has_an_end(self):
        began = time.monotonic()
        process = self.start('127.0.0.1', self.port, 300, 1000)
        said = process.stdout.read().decode().splitlines()
        self.assertEqual(process.wait(PATIENCE_S), 1)
        self.assertRegex(said[-1], rf'^try \d+: {os.strerror(errno.ECONNREFUSED)}\. No time is left$')
        self.assertEqual([it[:5] for it in said], [f'try {i + 1}' for i in range(len(said))])
        if not WRAPPER:
            self.assertLess(time.monotonic() - began, 30)

    def test_a_server_that_accepts_and_says_nothing_has_no_more_than_the_whole(self):
        self.server.listen()
        process = self.start('127.0.0.1', self.port, 60000, 500)
        self.assertEqual(process.stdout.read().decode(),
            f'try 1: {os.strerror(errno.ETIMEDOUT)}. No time is left\n')

    def test_an_answer_that_is_too_long(self):
        self.server.listen()
        process = self.start('127.0.0.1', self.port, 1000, 100)
        self.accept().sendall(b'x' * 1000)
        self.assertTrue(process.stdout.read().decode().startswith(f'try 1: {os.strerror(errno.EMSGSIZE)}. '))

    def test_usage(self):
        for args in ((), ('127.0.0.1',), ('localhost', '80'), ('127.0.0.1', '0'), ('127.0.0.1', '80', '0')):
            self.refuses(*args)


class Chat(Example):
    def setUp(self):
        self.server = self.start()
        self.port = int(self.server.stdout.readline().rsplit(b':', 1)[1])

    def join(self, name, receive_bytes=None):
        peer = socket.socket()
        self.addCleanup(peer.close)
        if receive_bytes:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        peer.settimeout(PATIENCE_S)
        peer.connect(('127.0.0.1', self.port))
        lines = peer.makefile('rb')
        self.addCleanup(lines.close)
        self.assertEqual(lines.readline(), b'* your name?\n')
        if name:
            peer.sendall(name + b'\n')
            self.assertEqual(lines.readline(), b'* ' + name + b' is here\n')
        return peer, lines

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.server.pid}/fd'))

    def status_kib(self, field):
        with open(f'/proc/{self.server.pid}/status') as status:
            return int(re.search(rf'^{field}:\s+(\d+) kB$', status.read(), re.M)[1])

    def test_talk(self):
        ann, ann_lines = self.join(b'ann')
        bob, bob_lines = self.join(b'bob')
        self.assertEqual(ann_lines.readline(), b'* bob is here\n')
        ann.sendall(b'good ')
        ann.sendall(b'morning\r\n\nand \x1b[2J' + b'x' * 1000 + b'\n')
        self.assertEqual(bob_lines.readline(), b'ann: good morning\n')
        self.assertEqual(bob_lines.readline(), b'ann: ' + (b'and [2J' + b'x' * 1000)[:511] + b'\n')
        bob.sendall(b'/names\n')
        self.assertEqual({bob_lines.readline(), bob_lines.readline()}, {b'* ann\n', b'* bob\n'})
        stranger, lines = self.join(b'')
        stranger.sendall(b'ann\nno spaces\n' + b'x' * 21 + b'\ncarl\n')
        self.assertEqual([lines.readline()[:6] for _ in range(4)], [b'* that', b'* up t', b'* up t', b'* carl'])
        bob.sendall(b'/quit\n')
        self.assertEqual([lines.readline(), bob_lines.readline()], [b'* bob has left\n', b'* carl is here\n'])
        self.assertEqual(bob_lines.readline(), b'')

    def talk(self, ann, heard, count):
        """Lines of 500 bytes until somebody is told to leave, or so many; some ahead of bob, who reads them.
        How many."""
        said = listened = 0
        while said < count:
            ann.sendall(b''.join(b'%d %s\n' % (said + i, b'x' * 490) for i in range(10)))
            said += 10
            while listened < said:
                line = heard.readline()
                if line == b'* slow was too slow\n':
                    return said
                self.assertTrue(line.startswith(b'ann: %d ' % listened), line)
                listened += 1
        return said

    def drain(self, ann, heard):
        ann.sendall(b'the end\n')
        while (line := heard.readline()) != b'ann: the end\n':
            self.assertTrue(line.startswith(b'ann: '), line)

    def test_a_client_that_does_not_read_is_dropped_and_the_others_miss_nothing(self):
        before, kib_before = self.descriptors(), self.status_kib('VmHWM')
        ann, _ = self.join(b'ann')
        _, bob_lines = self.join(b'bob')
        slow, slow_lines = self.join(b'slow', 4096)
        self.assertEqual(bob_lines.readline(), b'* slow is here\n')
        most = self.talk(ann, bob_lines, 200000)
        self.assertLess(most, 200000, 'nobody is dropped')
        self.assertLess(self.status_kib('VmHWM') - kib_before, 50000 if WRAPPER else 8000)
        with self.assertRaises(ConnectionResetError):
            while slow.recv(65536):
                pass
        self.drain(ann, bob_lines)
        self.until(lambda: self.descriptors() == before + 2)

        # Who begins to read before that has all of it, also what had to wait.
        for spare in range(20, 60, 20):
            slow, slow_lines = self.join(b'slow', 4096)
            self.assertEqual(bob_lines.readline(), b'* slow is here\n')
            if self.talk(ann, bob_lines, most - spare) == most - spare:
                break
            self.drain(ann, bob_lines)
        for i in range(most - spare):
            self.assertTrue(slow_lines.readline().startswith(b'ann: %d ' % i))
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(bob_lines.readline(), b'* that was it\n')
        self.assertEqual(self.server.wait(PATIENCE_S), 0)

    def test_those_who_go_without_a_word(self):
        before = self.descriptors()
        ann, ann_lines = self.join(b'ann')
        bob, bob_lines = self.join(b'bob')
        ann_lines.readline()
        bob.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        bob_lines.close()
        bob.close()
        self.assertEqual(ann_lines.readline(), b'* bob is gone\n')
        for it in self.join(b''):
            it.close()
        self.until(lambda: self.descriptors() == before + 1)
        self.server.send_signal(signal.SIGINT)
        self.assertEqual(self.server.wait(PATIENCE_S), 0)

    def test_when_it_is_full_others_wait_until_somebody_leaves(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 600:
            self.skipTest('few descriptors')
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 600), hard))
        peers = [self.join(b'') for _ in range(256)]
        late = socket.create_connection(('127.0.0.1', self.port), PATIENCE_S)
        self.addCleanup(late.close)
        before = self.descriptors()
        peers[0][0].sendall(b'zoe\n/quit\n')
        self.assertEqual(late.recv(100), b'* your name?\n')
        self.assertEqual(self.descriptors(), before)

    def test_usage(self):
        self.refuses('x', 'y')


class Netcat(Example):
    def setUp(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.settimeout(PATIENCE_S)
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]

    def open(self, **options):
        process = self.start('127.0.0.1', self.port, **options)
        peer, _ = self.listener.accept()
        peer.settimeout(PATIENCE_S)
        self.addCleanup(peer.close)
        return process, peer

    def echo(self, peer):
        def run():
            while data := peer.recv(65536):
                peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_pipes_both_ways_and_the_end_passed_on(self):
        process, peer = self.open(stdin=subprocess.PIPE)
        self.echo(peer)
        data = os.urandom(1 << 20) * 4
        self.assertEqual(process.communicate(data, PATIENCE_S)[0], data)
        self.assertEqual(process.returncode, 0)

    def test_from_a_file_and_into_a_file(self):
        data = os.urandom(300000)
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
            source.write(b'not this' + data)
            source.flush()
            source.seek(8)  # from where it stands
            target.write(b'before ')
            target.flush()
            process, peer = self.open(stdin=source, stdout=target)
            self.echo(peer)
            self.assertEqual(process.wait(PATIENCE_S), 0)
            target.seek(0)
            self.assertEqual(target.read(), b'before ' + data)

    def test_from_nothing_and_into_nothing(self):
        process, peer = self.open(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.assertEqual(peer.recv(100), b'')
        peer.sendall(b'as much as it likes' * 1000)
        peer.close()
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_it_ends_with_the_connection(self):
        process, peer = self.open(stdin=subprocess.PIPE)
        peer.sendall(b'goodbye')
        peer.close()
        self.assertEqual(process.stdout.read(), b'goodbye')
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_reset_is_an_error(self):
        process, peer = self.open(stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b'x')
        process.stdin.flush()
        peer.recv(1)  # it is connected, and knows it
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        peer.close()
        self.complains(process.stderr.read(), 'connection', errno.ECONNRESET)
        self.assertEqual(process.wait(PATIENCE_S), 1)

    def test_who_does_not_read_holds_the_other_up(self):
        process, peer = self.open(stdin=subprocess.DEVNULL)
        peer.setblocking(False)
        sent = 0
        last = time.monotonic()
        while time.monotonic() - last < 0.5:  # until nobody has taken anything for a while
            try:
                sent += peer.send(b'x' * 65536)
                last = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            self.assertLess(sent, 64 << 20)
        peer.close()
        self.assertEqual(len(process.stdout.read()), sent)
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_reader_that_has_gone(self):
        read, write = os.pipe()
        process, peer = self.open(stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        os.close(read)
        peer.sendall(b'who hears this?')
        self.complains(process.stderr.read(), 'stdout', errno.EPIPE)
        self.assertEqual(process.wait(PATIENCE_S), 1)

    def test_refused(self):
        self.listener.close()
        run = subprocess.run(self.command('127.0.0.1', self.port), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.complains(run.stderr, 'connect', errno.ECONNREFUSED)
        self.assertEqual(run.returncode, 1)

    def is_nonblocking(self, fd):
        return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)

    def test_a_terminal_is_left_as_it_was(self):
        """One open file is stdin and stdout, as in a shell; it is looked at from here."""
        for end in ('connection', signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            master, terminal = pty.openpty()
            process, peer = self.open(stdin=terminal, stdout=terminal)
            os.write(master, b'typed\n')
            self.assertEqual(peer.recv(100), b'typed\n')
            self.assertTrue(self.is_nonblocking(terminal))
            if end == 'connection':
                peer.close()
                self.assertEqual(process.wait(PATIENCE_S), 0)
            else:
                process.send_signal(end)
                self.assertEqual(process.wait(PATIENCE_S), -end)
            self.assertFalse(self.is_nonblocking(terminal))
            os.close(master)
            os.close(terminal)

    def test_a_terminal_is_as_it_was_while_the_program_is_stopped(self):
        master, terminal = pty.openpty()
        process, peer = self.open(stdin=terminal, stdout=terminal)
        os.write(master, b'typed\n')
        self.assertEqual(peer.recv(100), b'typed\n')
        process.send_signal(signal.SIGTSTP)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1]))
        self.assertFalse(self.is_nonblocking(terminal))
        process.send_signal(signal.SIGCONT)
        self.until(lambda: self.is_nonblocking(terminal))
        os.write(master, b'again\n')
        self.assertEqual(peer.recv(100), b'again\n')
        peer.close()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertFalse(self.is_nonblocking(terminal))
        os.close(master)
        os.close(terminal)

    def test_usage(self):
        for args in ((), ('127.0.0.1',), ('here', '80'), ('127.0.0.1', '0'), ('127.0.0.1', '80', 'x')):
            self.refuses(*args)


class Pass(Example):
    def begin(self, workers):
        self.server = self.start(0, workers)
        said = self.server.stdout.readline().decode()
        self.assertRegex(said, rf'^127\.0\.0\.1:\d+, {workers} workers\n$')
        self.port = int(re.search(r':(\d+),', said)[1])

    def ask(self):
        """Who has served, number and process; nothing if nobody has."""
        with socket.create_connection(('127.0.0.1', self.port), PATIENCE_S) as peer, peer.makefile('rb') as lines:
            try:
                said = lines.read().decode()
            except ConnectionResetError:
                said = ''
        served = re.fullmatch(r'worker (\d+), process (\d+)\n', said)
        self.assertTrue(served or said == '', said)
        return served and (int(served[1]), int(served[2]))

    def open_files(self):
        return len(os.listdir(f'/proc/{self.server.pid}/fd'))

    def stop(self):
        self.server.terminate()
        self.assertEqual(self.server.wait(PATIENCE_S), 0)

    def test_each_serves_its_share(self):
        self.begin(3)
        before = self.open_files()
        answers = [self.ask() for _ in range(30)]
        self.assertEqual([it[0] for it in answers], [1, 2, 3] * 10)
        self.assertEqual(len(set(answers)), 3)
        self.assertNotIn(self.server.pid, {it[1] for it in answers})
        self.until(lambda: self.open_files() == before)  # it keeps none of those that it has passed
        self.stop()
        for _, process in set(answers):  # they have ended and were waited for
            self.assertRaises(ProcessLookupError, os.kill, process, 0)

    def test_one_that_dies_is_passed_over(self):
        self.begin(2)
        first, second = self.ask(), self.ask()
        os.kill(first[1], signal.SIGKILL)
        self.until(lambda: self.ask() == second and self.ask() == second and self.ask() == second)
        self.assertEqual({self.ask() for _ in range(10)}, {second})
        os.kill(second[1], signal.SIGKILL)
        self.until(lambda: self.ask() is None)
        self.stop()

    def test_usage(self):
        for args in ((-1,), (70000,), (0, 0), (0, 65), (0, 1, 1)):
            self.refuses(*args)
