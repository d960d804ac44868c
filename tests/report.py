"""report.py EDDY: the reports of `eddy bench`: what stands in their directory, what is refused, how they are
merged, that a run which is killed leaves its samples; and the page in Chromium, where there is one: its figures are
those of raw.jsonl, and nothing complains, on a desktop and on a phone, light and dark."""
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import show_browser

EDDY = os.path.abspath(sys.argv.pop(1))
SMALL = ('--workload', 'churn-start', '--workload', 'timer-start', '--size', '10', '--size', '20', '--sample-ms', '1',
    '--rounds', '6')
PATIENCE_S = 60
# n, the median of time and that of the ratio of each row of the page's tables.
FIGURES = '''[...document.querySelectorAll("table[data-workload]")].flatMap(table => [...table.tBodies[0].rows].map(row =>
    [table.dataset.workload, row.cells[0].textContent, row.cells[1].textContent,
        ...[...row.querySelectorAll("data")].slice(0, 3).map(it => Number(it.value))]))'''


def run(*arguments, status=0):
    done = subprocess.run([EDDY, 'bench', *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8',
        timeout=PATIENCE_S, check=False)
    if done.returncode != status:
        raise AssertionError(f'{arguments}: status {done.returncode}: {done.stdout}{done.stderr}')
    return done


def lines_of(directory):
    return [json.loads(line) for line in (directory / 'raw.jsonl').read_text(encoding='utf-8').splitlines()]


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory(prefix='eddy-report-')
        cls.addClassCleanup(cls.place.cleanup)
        cls.root = Path(cls.place.name)
        run('backends', *SMALL, '--seed', '7', '--plot', cls.root / 'a.svg', '--report', cls.root / 'one')

    def copy(self, name, change):
        """The report with other lines."""
        directory = self.root / name
        directory.mkdir()
        text = (self.root / 'one/raw.jsonl').read_text(encoding='utf-8')
        (directory / 'raw.jsonl').write_text(change(text), encoding='utf-8')
        return directory

    def test_every_sample_is_a_line(self):
        head, *lines = lines_of(self.root / 'one')
        self.assertEqual((head['format'], head['version'], head['seed'], head['rounds']), ('eddy bench', 1, '7', 6))
        rows = {line['row'] for line in lines}
        self.assertEqual(len(lines), 6 * len(rows))
        self.assertEqual({(line['workload'], line['size']) for line in lines},
            {(workload, size) for workload in ('churn-start', 'timer-start') for size in (10, 20)})
        for row in rows:
            self.assertEqual([line['round'] for line in lines if line['row'] == row], list(range(1, 7)))
        machine = json.loads((self.root / 'one/machine.json').read_text(encoding='utf-8'))
        for name in ('kernel', 'compiler', 'compiler_flags', 'commit', 'mitigations', 'governor', 'limit_descriptors', 'steal_percent'):
            self.assertIn(name, machine)

    def test_nothing_private_is_told(self):
        host = os.uname().nodename
        for path in (self.root / 'one').iterdir():
            text = path.read_text(encoding='utf-8')
            self.assertNotIn(str(self.root), text, path)
            self.assertTrue(len(host) < 6 or host not in text, path)  # a short one may be in anything

    def test_it_is_measured_again(self):
        script = self.root / 'one/rerun.sh'
        done = subprocess.run([script, 'again'], cwd=self.root, env={**os.environ, 'EDDY': EDDY}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding='utf-8', timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        heads, orders = [], []
        for name in ('one', 'again'):
            head, *lines = lines_of(self.root / name)
            heads.append(head)
            orders.append([(line['row'], line['round'], line['position']) for line in lines])
        self.assertEqual(*heads)
        self.assertEqual(*orders)

    def test_latencies_are_drawn_over_rates(self):
        rates = ('--rate', '2000', '--rate', '4000', '--size', '10')
        run('backends', '--workload', 'echo', *rates, '--sample-ms', '20', '--rounds', '2', '--report', self.root / 'rates')
        lines = lines_of(self.root / 'rates')[1:]
        self.assertEqual({line['rate'] for line in lines}, {2000, 4000})
        self.assertTrue(all(line['answered'] > 0 for line in lines if 'time' in line))
        page = run('merge', self.root / 'rates').stdout
        self.assertEqual(re.findall('>(p[0-9]+) of the latency, over messages a second', page), ['p50', 'p99'])

    def test_what_is_there_is_left_alone(self):
        before = sorted((self.root / 'one').iterdir())
        done = run('backends', *SMALL, '--report', self.root / 'one', status=2)
        self.assertIn('is not empty', done.stderr)
        self.assertEqual(done.stdout, '')
        self.assertEqual(sorted((self.root / 'one').iterdir()), before)

    def test_a_killed_run_leaves_its_samples(self):
        for number in (signal.SIGKILL, signal.SIGINT):
            directory = self.root / f'killed-{int(number)}'
            raw = directory / 'raw.jsonl'
            process = subprocess.Popen([EDDY, 'bench', 'backends', '--workload', 'churn-start', '--size', '10', '--rounds', '100',
                '--sample-ms', '5', '--report', directory], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + PATIENCE_S
            while not raw.exists() or raw.read_bytes().count(b'\n') < 9:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            process.send_signal(number)
            process.wait(PATIENCE_S)
            self.assertEqual((directory / 'report.html').exists(), number == signal.SIGINT)
            self.assertIn('<svg', run('merge', directory).stdout)

    def test_machines_beside_each_other(self):
        two = self.copy('two', lambda text: ''.join(line for line in text.splitlines(True) if '"timer-start"' not in line))
        done = run('merge', self.root / 'one', two, '--output', self.root / 'merged.html')
        self.assertEqual(done.stderr.count('left out: timer-start'), 2)
        page = (self.root / 'merged.html').read_text(encoding='utf-8')
        self.assertEqual(page.count('<svg class="chart"'), 2)
        self.assertEqual(re.findall('class="name"[^>]*>(one|two), churn-start<', page), ['one', 'two'])

    def test_what_cannot_be_merged_is_refused(self):
        def broken(name, change, told):
            done = run('merge', self.root / 'one', self.copy(name, change), status=2)
            self.assertRegex(done.stderr, told)
            self.assertEqual(done.stdout, '')
        broken('version', lambda text: text.replace('"version":1', '"version":2', 1), 'line 1: the file.s format is version 2')
        broken('other', lambda text: text.replace('eddy bench backends', 'eddy bench costs', 1), 'reports of one bench')
        broken('cut', lambda text: text.replace('"round":3', '"round":"x"', 1), r'line \d+: "round" is not')
        broken('nothing', lambda text: text.splitlines(True)[0], 'has no sample')
        broken('strange', lambda text: text.replace('"workload":"', '"workload":"x'), 'in common')
        broken('binary', lambda text: '\x00' * 20000 + '\n', 'line 1: longer than')

    def test_the_page_in_a_browser(self):
        program = show_browser.find()
        if program is None:
            self.skipTest('there is no Chromium')
        browser = show_browser.Browser(program)
        try:
            for width, dark in ((1280, False), (390, True)):
                browser.show((self.root / 'one/report.html').as_uri(), width=width, dark=dark)
                self.assertLessEqual(browser.do('document.documentElement.scrollWidth'), width)
                places = browser.do('[...document.querySelectorAll(".grid svg")].map(it => it.getBoundingClientRect().x)')
                self.assertEqual((len(places), len(set(places))), (2, 2 if width > 400 else 1))
                self.assertEqual(browser.do('getComputedStyle(document.body).backgroundColor'),
                    'rgb(13, 17, 23)' if dark else 'rgb(255, 255, 255)')
            told = browser.do(FIGURES)
            browser.show((self.root / 'a.svg').as_uri())
            self.assertEqual(browser.do('document.querySelectorAll("svg svg").length'), 2)
            self.assertEqual(browser.complaints, [])
        finally:
            browser.close()
        self.check(told)

    def check(self, told):
        lines = lines_of(self.root / 'one')[1:]
        self.assertEqual(len(told), len({line['row'] for line in lines}))
        for workload, setting, name, *figures in told:
            own = [line for line in lines if (line['workload'], line['setting'],
                line['subject'] + (', again' if line['control'] else '')) == (workload, setting, name)]
            first = {line['round']: line['time'] for line in lines if line['row'] == own[0]['first']}
            right = (len(own), statistics.median(line['time'] for line in own),
                statistics.median(line['time'] / first[line['round']] for line in own))
            for is_told, is_right in zip(figures, right):
                self.assertAlmostEqual(is_told / is_right, 1, places=6)


unittest.main()
