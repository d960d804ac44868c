"""trace.py PROGRAM: `eddy serve --trace` and `eddy bench --trace`: what is in the files, when they begin and end,
and that no trace holds up who serves. EDDY_WRAPPER is what the program is run by, if set."""
import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
import perfetto

WRAPPER = shlex.split(os.environ.get('EDDY_WRAPPER', ''))
PATIENCE_S = 30
PROGRAM = None
LINE = re.compile(r'^ *-?\d+\.\d{3} (loop(?:-\d)?|pool-\d+|other) +\d+ +(?:-|\d+) \d ( *)([a-z-]+)((?: .*)?)$')


class Served:
    """`eddy serve` of a directory with one file, and what it says."""

    def __init__(self, test, *options):
        self.directory, self.said = test.directory, []
        self.process = subprocess.Popen(
            [*WRAPPER, PROGRAM, 'serve', '--port', '0', *options, f'{self.directory}/site'],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding='utf-8', cwd=self.directory)
        test.addCleanup(self.end)
        self.port = int(self.says(r'http://127\.0\.0\.1:(\d+)/').group(1))

    def says(self, pattern):
        """Waits for a line; it may have been said."""
        for line in self.said:
            if found := re.search(pattern, line):
                self.said.remove(line)
                return found
        while line := self.process.stderr.readline():
            if found := re.search(pattern, line):
                return found
            self.said.append(line)
        raise AssertionError(f'{pattern} is not said, but {self.said}')

    def ask(self, times=1):
        for _ in range(times):
            connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE_S)
            connection.request('GET', '/file')
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read() == b'content\n'
            connection.close()

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Returns its exit status."""
        self.signal(signal.SIGTERM)
        self.said += self.process.stderr.readlines()
        return self.process.wait(PATIENCE_S)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


class Trace(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        os.mkdir(f'{self.directory}/site')
        with open(f'{self.directory}/site/file', 'w') as file:
            file.write('content\n')

    def path(self, name):
        return f'{self.directory}/{name}'

    def records(self, name):
        """[thread, indentation, kind, rest] of each line of a text."""
        with open(self.path(name), encoding='utf-8') as file:
            lines = [line.rstrip('\n') for line in file if not line.startswith('#')]
        found = [LINE.match(line) for line in lines]
        self.assertNotIn(None, found, lines[found.index(None)] if None in found else None)
        return [it.groups() for it in found]

    def packets(self, name):
        with open(self.path(name), 'rb') as file:
            return perfetto.read(file.read())

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), end, 'it does not come about')
            time.sleep(0.01)

    def refuses(self, *arguments):
        done = subprocess.run([*WRAPPER, PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding='utf-8', timeout=PATIENCE_S, cwd=self.directory)
        self.assertEqual(done.stdout, '')
        return done.returncode, done.stderr

    def test_a_text_has_the_requests(self):
        served = Served(self, '--trace', 't.txt')
        served.ask(3)
        self.assertEqual(served.stop(), 0, served.said)
        found = self.records('t.txt')
        kinds = [it[2] for it in found]
        for kind, least in (('accept', 3), ('read', 3), ('write', 3), ('call', 9), ('submit', 3), ('turn', 3)):
            self.assertGreaterEqual(kinds.count(kind), least, kind)
        self.assertEqual(kinds.count('call'), kinds.count('return'))
        self.assertIn(f't.txt has {len(found)} records, 0 were lost\n', served.said[-1])

    # Each loop is a track, and so are the pool's threads, which they have in common.
    def test_perfetto_has_a_track_a_thread(self):
        served = Served(self, '--trace', 't.pftrace', '--loops', '2', '--pool-threads', '2')
        served.ask(8)
        self.assertEqual(served.stop(), 0, served.said)
        trace = self.packets('t.pftrace')
        names = set(trace.tracks.values()) - {None}
        self.assertEqual(trace.process['process_name'], 'eddy serve')
        self.assertLessEqual({'loop 1', 'loop 2'}, names)
        self.assertLessEqual(names, {'loop 1', 'loop 2', 'pool 1', 'pool 2', 'other threads', 'other threads, loop 2'})
        calls = [it for it in trace.of('call') if it.name.startswith('stream')]
        self.assertGreaterEqual(len(calls), 8)
        for call in calls:
            self.assertIn(call.depth, (1, 2, 3))
            self.assertGreaterEqual(call.end_ns, call.begin_ns)
        both = [flow for flow, count in trace.flows.items() if count > 1]
        self.assertTrue(any(flow in call.flows for call in calls for flow in both), 'an arrow leads to a call')

    def test_a_signal_begins_and_ends_it(self):
        served = Served(self, '--trace', 't.txt,0', '--loops', '2')
        served.ask()
        for name in ('t.txt', 't-2.txt'):
            self.assertFalse(os.path.exists(self.path(name)))
            served.signal(signal.SIGPROF)
            self.until(lambda: os.path.exists(self.path(name)))
            # Until the loops have heard of it nothing is recorded.
            self.until(lambda: served.ask(4) or os.path.getsize(self.path(name)) > 0)
            served.signal(signal.SIGPROF)
            served.says(f'{name} has [1-9][0-9]* records')
            size = os.path.getsize(self.path(name))
            served.ask(2)
            self.assertEqual(os.path.getsize(self.path(name)), size)
            self.assertTrue(self.records(name))
        self.assertEqual(served.stop(), 0, served.said)

    def test_it_ends_by_itself(self):
        served = Served(self, '--trace', 't.txt,1')
        served.ask()
        served.says('t.txt has [1-9][0-9]* records, 0 were lost')
        size = os.path.getsize(self.path('t.txt'))
        served.ask()
        self.assertEqual(served.stop(), 0, served.said)
        self.assertEqual(os.path.getsize(self.path('t.txt')), size)

    @unittest.skipUnless(os.path.exists('/dev/full'), 'no /dev/full')
    def test_a_full_disk_ends_the_trace_alone(self):
        served = Served(self, '--trace', '/dev/full')
        served.ask(3)
        served.says('cannot write /dev/full: ')
        served.ask(3)
        self.assertEqual(served.stop(), 0, served.said)

    # Nobody reads it: what does not fit is lost, and nobody waits for that but the end, for a while.
    def test_a_reader_that_stalls_holds_nobody_up(self):
        os.mkfifo(self.path('pipe'))
        reader = os.open(self.path('pipe'), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        served = Served(self, '--trace', 'pipe')
        served.ask(300)
        begin = time.monotonic()
        self.assertEqual(served.stop(), 0, served.said)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertIn('cannot write pipe: ', ''.join(served.said))

    def test_what_cannot_be_opened_is_told_at_the_start(self):
        self.assertEqual(self.refuses('serve', '--port', '0', '--trace', 'site/none/t.txt', 'site'),
                         (1, f'eddy: cannot trace to site/none/t.txt: {os.strerror(2)}\n'))
        self.assertEqual(self.refuses('serve', '--port', '0', '--trace', 'site', 'site')[0], 1)
        for value in ('', ',5', 'a,86401', 'a,'):
            status, said = self.refuses('serve', '--trace', value)
            self.assertEqual(status, 2)
            self.assertTrue(said.startswith(f'eddy: --trace: "{value}" is not a file'), said)

    # With a signal there is nobody to refuse: it is said, and the server goes on.
    def test_what_cannot_be_opened_later_is_said(self):
        served = Served(self, '--trace', 'none/t.txt,0')
        served.signal(signal.SIGPROF)
        served.says('cannot write none/t.txt: ')
        served.ask()
        self.assertEqual(served.stop(), 0, served.said)

    def bench(self, *arguments):
        done = subprocess.run([*WRAPPER, PROGRAM, 'bench', 'backends', '--rounds', '1', '--sample-ms', '4', *arguments],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding='utf-8', cwd=self.directory,
                              timeout=PATIENCE_S)
        return done.returncode, done.stderr

    def test_a_bench_is_traced(self):
        one = ('--workload', 'echo-io', '--size', '10', '--backend', 'poll')
        self.assertEqual(self.bench(*one, '--trace', 'b.pftrace'), (0, ''))
        trace = self.packets('b.pftrace')
        self.assertEqual(trace.process['process_name'], 'eddy bench')
        self.assertGreater(len([it for it in trace.of('call') if it.name.startswith('io ')]), 10)
        for call in trace.of('call')[1:]: # the event of the first one may be lost
            if call.name.startswith('io '):
                self.assertEqual([trace.flows[flow] > 1 for flow in call.flows], [True], call.notes)

    def test_each_case_has_a_file(self):
        several = ('--workload', 'wake-trip', '--workload', 'pool', '--size', '2', '--backend', 'poll')
        self.assertEqual(self.bench(*several, '--trace', 'b.txt'), (0, ''))
        self.assertIn('begin', [it[2] for it in self.records('b-pool-poll-2.txt')])
        self.assertIn('wake', [it[2] for it in self.records('b-wake-trip-poll-2.txt')])
        status, said = self.bench(*several, '--trace', 'none/b.txt')
        self.assertEqual(status, 2) # before anything is measured
        self.assertTrue(said.startswith('eddy: --trace: "none/b.txt" cannot be written'), said)
        self.assertEqual(self.bench('--trace', 'a,5')[0], 2)

    # A process that takes over has the same FILE, which the one before is still writing.
    @unittest.skipUnless(os.path.exists('/proc/self/cmdline'), 'nothing tells of other processes')
    def test_a_restart_leaves_the_file_alone(self):
        served = Served(self, '--trace', 't.txt')
        served.ask()
        served.signal(signal.SIGUSR2)
        served.says('t.txt has [1-9]')
        self.until(lambda: os.path.exists(self.path('t-2.txt')))
        served.ask()
        self.until(lambda: len(self.ours()) == 1) # the one before ends
        os.kill(self.ours()[0], signal.SIGTERM)
        served.says('t-2.txt has [1-9]')
        self.assertIn('turn', [it[2] for it in self.records('t.txt')])
        self.assertIn('read', [it[2] for it in self.records('t-2.txt')])

    def ours(self):
        return [int(name) for name in os.listdir('/proc') if name.isdigit() and self.is_ours(name)]

    def is_ours(self, pid):
        try:
            with open(f'/proc/{pid}/cmdline', encoding='utf-8', errors='replace') as file:
                return f'{self.directory}/site' in file.read()
        except OSError:
            return False



if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
