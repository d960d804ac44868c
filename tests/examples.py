"""examples.py NAME PROGRAM: the program docs/examples/NAME.c says and does what it is there to show. Nothing here
depends on how fast the machine is: what is looked at is order, counts, and times that cannot be shorter.

EDDY_EXAMPLE_WRAPPER="valgrind -q --error-exitcode=99" runs each under that command."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True  # this is a directory of sources
import perfetto
from examples_common import PATIENCE_S, Example
from examples_network import Chat, Client, Netcat, Pass  # for main


class First(Example):
    def test_it_waits_and_ends(self):
        began = time.monotonic()
        self.assertEqual(self.says(), 'a second has passed\n')
        self.assertGreaterEqual(time.monotonic() - began, 1)


class Sleep(Example):
    def test_the_tick_waits_for_the_sleep(self):
        rows = re.findall(r'^(.*?) +(\d+) of 30 ticks, the worst +([\d.]+) ms late$', self.says(), re.M)
        self.assertEqual([row[0] for row in rows],
            ['a callback sleeps', 'a timer waits', 'a thread of the pool sleeps'])
        self.assertGreaterEqual(float(rows[0][2]), 190)
        self.assertLessEqual(int(rows[0][1]), 12)  # those that it missed are not made up


class Pieces(Example):
    def test_all_ways_come_to_the_same(self):
        said = self.says(16)
        rows = {name: (value, float(took), int(turns), float(late)) for name, value, took, turns, late in re.findall(
            r'^(.{16}) ([0-9a-f]{16}) +([\d.]+) ms +(\d+) turns +([\d.]+) ms late$', said, re.M)}
        rows = {name.strip(): row for name, row in rows.items()}
        self.assertEqual(list(rows), ['in one go', 'in pieces', 'when idle', 'on the pool'])
        self.assertEqual({row[0] for row in rows.values()}, {'408a420639222325'})  # FNV-1a of these 16 MiB
        self.assertEqual(rows['in one go'][2], 1)
        self.assertGreaterEqual(rows['in pieces'][2], 64)
        self.assertGreaterEqual(rows['when idle'][2], 64)
        self.assertGreaterEqual(rows['in one go'][3], rows['in one go'][1] - 10.2)

    def test_usage(self):
        self.refuses('0')
        self.refuses('1', '2')


class Race(Example):
    def test_who_checks_before_the_wait_pays_twice(self):
        self.assertEqual(self.says(), 'checked before the wait, written after it:\n'
            '  paid 80, balance 20\n  paid 80, balance 20\n'
            'checked and written before the wait:\n  refused\n  paid 80, balance 20\n')


class Connections(Example):
    def test_as_parallel_as_connections_and_database(self):
        rows = [tuple(map(int, row)) for row in re.findall(r'^ +(\d+) +(\d+) +(\d+) +(\d+) ms$', self.says(), re.M)]
        self.assertEqual([row[:3] for row in rows], [(1, 8, 1), (2, 8, 2), (4, 8, 4), (8, 8, 8), (8, 2, 8)])
        for row in rows:
            self.assertGreaterEqual(row[3], 400 // min(row[0], row[1]))


class TwoLoops(Example):
    def test_each_goes_over_and_comes_back(self):
        lines = self.says().splitlines()
        for i in (1, 2, 3):
            order = [lines.index(f'first:  connection {i} goes to the second loop'),
                lines.index(f'second: connection {i} asks "hello"'), lines.index(f'first:  connection {i} is done')]
            self.assertEqual(order, sorted(order))
        self.assertEqual(lines[9:], ['client: you said hello'] * 3)


class RoundRobin(Example):
    def test_shares(self):
        lines = self.says().splitlines()
        self.assertEqual(lines[:2], ['100 connections to 4 loops', 'dealt out    25   25   25   25'])
        if 'not to be had' not in lines[2]:
            self.assertEqual(sum(map(int, lines[2].split()[1:])), 100)


class Progress(Example):
    def test_it_is_told_in_order_and_not_of_each_step(self):
        lines = self.says().splitlines()
        percents = [int(it[:3]) for it in lines if it.endswith('%')]
        self.assertEqual(percents, sorted(set(percents)))
        self.assertEqual(percents[-1], 100)
        self.assertEqual(lines[-3:-1], ['100 %', 'done (0): 1116472576'])
        told = re.fullmatch(r'1000000 steps, (\d+) times told', lines[-1])
        self.assertLess(int(told[1]), 1000000)


class Cancel(Example):
    def begun(self, process, count):
        for _ in range(count):
            self.assertRegex(process.stdout.readline(), rb'^job \d begins$')

    def test_the_first_takes_back_what_has_not_begun(self):
        process = self.start(2000)
        self.begun(process, 2)
        process.send_signal(signal.SIGINT)
        lines = process.stdout.read().decode().splitlines()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGINT)
        self.assertRegex('\n'.join(lines), r'finishing the [12] that run; Ctrl-C again ends at once')
        ends = sorted(re.findall(r'job (\d) is (done|taken back)', '\n'.join(lines)))
        self.assertEqual([it[0] for it in ends], list('12345678'))
        begun = {'1', '2', *re.findall(r'job (\d) begins', '\n'.join(lines))}
        self.assertEqual({it[0] for it in ends if it[1] == 'done'}, begun)
        self.assertLess(len(begun), 8)

    def test_the_second_ends_at_once(self):
        process = self.start(3600000)
        self.begun(process, 2)
        process.send_signal(signal.SIGINT)
        self.assertRegex(process.stdout.readline(), b'^finishing the 2 that run')
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGINT)

    def test_without_a_signal_all_is_done(self):
        self.assertEqual(self.says(1).count('is done'), 8)

    def test_usage(self):
        self.refuses('0')
        self.refuses('1', '2')


class Mapped(Example):
    def test_pages_are_fetched_by_the_thread_that_touches_them(self):
        with tempfile.TemporaryDirectory(dir='.') as directory:
            rows = re.findall(r'^(\w+) +[\d.]+ ms +(\d+) faults .*a tick at most +([\d.]+) ms late$',
                self.says(directory), re.M)
            self.assertEqual([row[0] for row in rows], ['mapped', 'read'])
            self.assertEqual(os.listdir(directory), [])
        if int(rows[0][1]) == 0:
            self.skipTest('this file system keeps all in memory')
        self.assertLess(int(rows[1][1]), 1000)

    def test_usage(self):
        self.refuses('x', 'y')


class Trace(Example):
    # Each step has another one for its cause, from the event to the answer that was written.
    def test_the_way_leads_from_the_event_to_the_answer(self):
        rows = re.findall(r'^ *[\d.]+ (\S+) +(\d+) +(-|\d+) \d +(.*)$', self.says(), re.M)
        way = [(rows[-1])]
        for row in reversed(rows):
            if row[1] == way[-1][2]:
                way.append(row)
        said = [(row[0].split('-')[0], re.sub(r"('\w+').*", r'\1', row[3])) for row in reversed(way)]
        self.assertEqual(said[0][1].split()[0], 'event')
        self.assertEqual(said[1:], [
            ('loop', "call stream 1 'client'"), ('loop', "submit work 1 'sum'"), ('pool', "begin work 1 'sum'"),
            ('pool', "done work 1 'sum'"), ('loop', "call work 1 'sum'"), ('loop', "queue write 1 'answer'"),
            ('loop', "call write 1 'answer'"), ('loop', "return write 1 'answer'")])

    def test_perfetto_draws_it(self):
        with tempfile.TemporaryDirectory(dir='.') as directory:
            self.assertEqual(self.says(f'{directory}/way'), '')
            with open(f'{directory}/way', 'rb') as file:
                trace = perfetto.read(file.read())
        calls = [it.name for it in trace.of('call')]
        self.assertLess(calls.index("stream 1 'client'"), calls.index("work 1 'sum'"))
        job, = trace.of('begin')
        self.assertEqual([trace.flows[flow] for flow in job.flows], [2, 2])

    def test_usage(self):
        self.refuses('x', 'y')


class Stall(Example):
    def test_it_is_told_of_while_it_lasts_and_when_it_is_over(self):
        run = subprocess.run(self.command(), stderr=subprocess.PIPE, encoding='utf-8', timeout=PATIENCE_S)
        self.assertEqual(run.returncode, 0, run.stderr)
        told = re.findall(r'^timer "daily report" in phase 4 (has been running for|is over, it took) (\d+) ms$',
            run.stderr, re.M)
        self.assertGreaterEqual(len(told), 2)
        self.assertEqual([it[0][:2] for it in told], ['ha'] * (len(told) - 1) + ['is'])
        for number, it in enumerate(told[:-1]):
            self.assertGreaterEqual(int(it[1]), 100 << number)
        self.assertGreaterEqual(int(told[-1][1]), 1000)
        if 'no backtrace' not in run.stderr:
            self.assertRegex(run.stderr, r'(?m)^    #\d+ .*stall\+0x[0-9a-f]+')


if __name__ == '__main__':
    Example.name, Example.program = sys.argv[1], os.path.abspath(sys.argv[2])
    case = Example.name.title().replace('_', '')
    unittest.main(argv=[sys.argv[0], '-v', *(sys.argv[3:] or [case])])
