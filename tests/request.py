"""request.py ROOT EDDY REQUEST GUIDE: what docs/22-request.md shows (docs/pages/request.py). REQUEST is what the
build has seen, GUIDE the pages. The steps and what is in them come in order, each line of source is where it is said
to be, and each that stands beside a call is in that call's stack."""
import json
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT, EDDY, REQUEST, GUIDE = [Path(it).resolve() for it in sys.argv[1:5]]
sys.path.insert(0, str(ROOT / 'docs/pages'))
from request_lines import LINES, STEPS, find_lines, name_of

# Kinds of records, and what of the loop's threads must be there in this order, with other things in between.
ORDER = {
    'sleep': ['turn', 'phase flush', 'phase wait', 'wait without end'],
    'accept': ['waited 1', 'phase ready', 'event', 'accept listener', 'call listener', 'add', 'timer-start',
        'return listener', 'accept listener 1 EAGAIN'],
    'request': ['turn', 'waited', 'phase ready', 'event', 'read stream', 'call stream', 'submit file', 'return stream'],
    'open': ['phase completions', 'call file', 'submit file', 'return file'],
    'attempt': ['turn', 'phase completions'],
    'answer': ['phase completions', 'call file', 'write stream', 'return file'],
    'end': ['turn', 'waited', 'event', 'read stream', 'call stream', 'remove', 'close stream', 'return stream',
        'phase closing', 'call stream', 'return stream'],
}
CALLS = {
    'accept': ['epoll_', 'accept4', 'epoll_ctl', 'accept4'],
    'request': ['epoll_', 'recvfrom'],
    'open': ['open'],
    'attempt': ['preadv2'],
    'answer': ['sendto'],
    'end': ['epoll_', 'recvfrom', 'epoll_ctl', 'close'],
}
THREAD, THREAD_CALLS = ['begin file', 'done file'], ['pread']


def record_of(row):
    return f'{row["kind"]} {row["rest"]}' if 'kind' in row else ''


class Request(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seen = json.loads(REQUEST.read_text())
        cls.steps = cls.seen['steps']
        cls.rows = [row for rows in cls.steps.values() for row in rows]
        cls.calls = [row for row in cls.rows if 'call' in row]
        cls.stacks = [row for row in cls.calls if row['frames']]
        cls.lines = find_lines(ROOT)

    def needs(self, what, why):
        if not what:
            self.skipTest(why)

    def in_order(self, step, texts, wanted):
        at = 0
        for text in texts:
            at += at < len(wanted) and text.startswith(wanted[at])
        self.assertEqual(at, len(wanted), f'{step}: {wanted[at:]} not in {texts}')

    def test_steps_are_those_of_the_chapter_in_its_order(self):
        chapter = (ROOT / 'docs/22-request.md').read_text()
        self.assertEqual(re.findall(r'^```request\n(.*)\n', chapter, re.M), ['why', *STEPS])
        self.assertEqual(list(self.steps), list(STEPS))
        starts = [rows[0].get('number') for name, rows in self.steps.items() if rows and name != 'pool']
        starts = [it for it in starts if it]
        self.assertEqual(starts, sorted(starts))

    def test_records_are_in_order(self):
        self.needs(self.rows, self.seen['why'])
        for step, wanted in ORDER.items():
            if step == 'answer' and not self.steps['pool']:
                continue
            self.in_order(step, [record_of(it) for it in self.steps[step] if it['thread'] == 'loop'], wanted)
        if self.steps['pool']:
            self.in_order('pool', [record_of(it) for it in self.steps['pool'] if it['thread'] != 'loop'], THREAD)

    def test_calls_are_in_order_and_told_by_their_records(self):
        self.needs(self.calls, self.seen['why'])
        for step, wanted in CALLS.items():
            if step == 'answer' and not self.steps['pool']:
                continue
            if step == 'attempt' and not any('preadv2(' in it['call'] for it in self.calls):
                continue  # a file system that cannot
            self.in_order(step, [it.get('call', '') for it in self.steps[step] if it['thread'] == 'loop'], wanted)
        if self.steps['pool']:
            thread = [it.get('call', '') for it in self.steps['pool'] if it['thread'] != 'loop']
            self.in_order('pool', thread, THREAD_CALLS)
        for row in self.rows:
            if row.get('kind') in ('read', 'write', 'accept', 'add', 'remove', 'waited', 'wakeup'):
                self.assertIn('call', row, record_of(row))
            if row.get('kind') in ('read', 'write'):
                self.assertEqual(row['call'].rpartition(' = ')[2], row['rest'].split()[-1])

    def test_causes_lead_from_the_answer_to_the_request(self):
        self.needs(self.steps['pool'], 'no thread has read the file')
        records = {it['number']: it for it in self.rows if it.get('number')}
        at = next(it for it in self.rows if it.get('kind') == 'write')
        way = []
        while at:
            way.append(at['kind'])
            at = records.get(at['cause'])
        self.assertEqual(way[:5], ['write', 'call', 'done', 'begin', 'submit'])
        self.assertEqual(way[-2:], ['call', 'event'])

    def test_each_line_is_in_the_sources(self):
        self.needs(self.rows, self.seen['why'])
        for row in self.rows:
            if row['line'] is None:
                self.assertEqual(row.get('kind', 'return'), 'return', row)
                continue
            path, number, function, text = row['line']
            lines = (ROOT / path).read_text().splitlines()
            self.assertTrue(text.startswith(lines[number - 1].strip()), f'{path}:{number} is not {text}')
            self.assertTrue(any(re.search(rf'\b{function}\(', it) for it in lines), f'{function} is not in {path}')

    # A table by hand could tell of a line that is there and has nothing to do with it.
    def test_the_table_is_right_about_each_call(self):
        self.needs(self.stacks, 'no stacks')
        names = {name_of(it, 3): it for it in self.stacks} # calls that the table does not have are told by stack
        names.pop(None, None)
        for name, row in names.items():
            path, number = self.lines[name][:2]
            places = [it[1:] for it in row['frames']]
            self.assertIn([path, number], places, f'{name}: {path}:{number} is not in the stack of {row["call"]}')
            self.assertEqual(row['line'][:2], [path, number])
        self.assertLessEqual({'wait', 'accept', 'add', 'remove', 'read', 'write', 'open'}, set(names))

    def test_each_name_of_a_step_is_a_line(self):
        self.assertLessEqual({it for names in STEPS.values() for it in names}, set(LINES))

    def test_the_page_shows_it(self):
        page = (GUIDE / '22-request.html').read_text()
        self.needs('language-request' not in page and '```request' not in page, 'no cmark-gfm')
        tables = sum(bool(rows) for rows in self.steps.values()) if self.rows else len(STEPS)
        self.assertEqual(page.count('<table class="request">'), tables)
        for row in self.rows:
            if row['line']:
                self.assertIn(f'href="source/{row["line"][0]}.html#L{row["line"][1]}"', page)
        self.assertEqual(len(re.findall('id="record-', page)), sum(it.get('number', 0) > 0 for it in self.rows))

    def run_it(self, **environment):
        command = [sys.executable, ROOT / 'docs/pages/request.py', EDDY, ROOT, 'out']
        subprocess.run(command, cwd=self.directory, env=environment, check=True, timeout=300)
        return json.loads((Path(self.directory) / 'out').read_text())

    def setUp(self):
        self.directory = REQUEST.parent / 'request-test'
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        self.addCleanup(shutil.rmtree, self.directory)

    def test_without_strace_there_are_records(self):
        seen = self.run_it(PATH='/nowhere')
        self.assertEqual(seen['why'], 'no system calls: there is no strace')
        self.assertTrue(all(record_of(it) for rows in seen['steps'].values() for it in rows))
        self.assertTrue(any(it['line'] for it in seen['steps']['accept']))

    def test_a_build_that_is_to_be_the_same_each_time_runs_nothing(self):
        once, again = self.run_it(SOURCE_DATE_EPOCH='1'), self.run_it(SOURCE_DATE_EPOCH='1')
        self.assertEqual(once, again)
        self.assertEqual([*once['steps'].values()], [[]] * len(STEPS))

    def test_what_does_not_start_ends_no_build(self):
        command = [sys.executable, ROOT / 'docs/pages/request.py', '/bin/false', ROOT, 'out']
        subprocess.run(command, cwd=self.directory, check=True, timeout=300)
        self.assertIn('did not start', json.loads((self.directory / 'out').read_text())['why'])


unittest.main(argv=sys.argv[:1])
