"""units.py PROGRAM SERVICE SOCKET: the units of systemd for `eddy serve`. systemd-analyze finds nothing wrong and
little exposure, and what the units forbid the program does without: no call that the filter refuses, no socket
of its own. Exits with 77 (skipped) where there is no systemd-analyze, or no strace for the second."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SERVICE, SOCKET = (os.path.abspath(it) for it in sys.argv[1:4])
PATIENCE_S = 20
EXPOSURE_MOST = 10  # tenths, of 100
# Refused with EPERM, which the program gets over: it goes on with the limit that it has (LimitNOFILE), and asks
# in another way what is in memory. An old strace has only a number for the latter.
TAKEN = {'prlimit64', 'setrlimit', 'cachestat', 'syscall_0x1c3'}


def analyze(*command):
    return subprocess.run(['systemd-analyze', '--no-pager', *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding='utf-8')


def sets_of_calls():
    """The names in each set of the filter, those of sets inside included."""
    sets, name = {}, None
    for line in analyze('syscall-filter').stdout.splitlines():
        if line.startswith('@'):
            name = line.strip()
            sets[name] = set()
        elif name and re.fullmatch(r'    [@\w].*', line):
            sets[name].add(line.strip())

    def whole(names):
        return {call for it in names for call in (whole(sets[it]) if it.startswith('@') else {it})}
    return {it: whole(sets[it]) for it in sets}


class Units(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name
        with open(SERVICE, encoding='utf-8') as file:
            self.service = file.read()

    def test_systemd_accepts_them(self):
        here = re.sub(r'(?m)^ExecStart=\S+', f'ExecStart={PROGRAM}', self.service)
        with open(os.path.join(self.place, 'eddy-serve.service'), 'w', encoding='utf-8') as file:
            file.write(here)
        shutil.copy(SOCKET, self.place)
        units = [os.path.join(self.place, it) for it in ('eddy-serve.service', 'eddy-serve.socket')]
        run = analyze('verify', '--man=no', *units)
        self.assertEqual((run.returncode, run.stdout), (0, ''))
        run = analyze('security', '--offline=true', f'--threshold={EXPOSURE_MOST}', units[0])
        self.assertEqual(run.returncode, 0, run.stdout)

    def start(self, listening, calls):
        """As the unit does: the site, and the socket as descriptor 3. strace writes the calls."""
        command = re.search(r'(?m)^ExecStart=\S+ (.*)', self.service)[1]
        words = command.replace('$EDDY_SERVE_OPTIONS', self.place).split()
        strace = ['strace', '-f', '-qq', '-o', calls] if calls else []
        high = os.dup(listening.fileno())
        shell = f'exec 3<&{high} {high}<&-; export LISTEN_PID=$$ LISTEN_FDS=1; echo $$; exec "$@"'
        process = subprocess.Popen([*strace, 'sh', '-c', shell, 'sh', PROGRAM, *words], pass_fds=[high],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding='utf-8')
        os.close(high)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, int(process.stdout.readline())

    def get(self, address):
        with socket.create_connection(address, timeout=PATIENCE_S) as visitor:
            visitor.sendall(b'GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            return b''.join(iter(lambda: visitor.recv(65536), b''))

    @unittest.skipUnless(shutil.which('strace'), 'there is no strace')
    def test_what_is_forbidden_is_not_needed(self):
        with open(os.path.join(self.place, 'file'), 'wb') as file:
            file.write(b'x' * 200000)
        calls = os.path.join(self.place, 'calls')
        with socket.create_server(('127.0.0.1', 0)) as listening:
            address = listening.getsockname()
            process, pid = self.start(listening, calls)
            self.assertTrue(self.get(address).endswith(b'\r\n\r\n' + b'x' * 200000))
            os.kill(pid, signal.SIGHUP)
            self.assertTrue(self.get(address).endswith(b'x' * 200000))
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(process.wait(timeout=PATIENCE_S), 0)
        with open(calls, encoding='utf-8', errors='replace') as file:
            text = file.read()
        text = text[text.index(f'execve("{PROGRAM}"'):]
        made = set(re.findall(r'(?m)^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>)', text))
        self.assertTrue({'epoll_ctl', 'accept4', 'openat2'} & made, made)
        sets = sets_of_calls()
        allowed = sets['@system-service'] - sets['@privileged'] - sets['@resources']
        self.assertEqual(made - allowed - TAKEN, set())
        self.assertNotIn('socket', made)


if not shutil.which('systemd-analyze'):
    print('units: there is no systemd-analyze')
    sys.exit(77)
del sys.argv[1:]
unittest.main(verbosity=1)
