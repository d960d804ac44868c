"""examples_common.py: what the tests of the examples have in common."""
import os
import shlex
import subprocess
import time
import unittest

WRAPPER = shlex.split(os.environ.get('EDDY_EXAMPLE_WRAPPER', ''))
PATIENCE_S = 60


class Example(unittest.TestCase):
    name = program = None
    maxDiff = None

    def command(self, *args):
        return [*WRAPPER, self.program, *(str(it) for it in args)]

    def start(self, *args, **options):
        options.setdefault('stdout', subprocess.PIPE)
        process = subprocess.Popen(self.command(*args), **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        if process.poll() is None:
            process.kill()
        process.wait()

    def says(self, *args):
        run = subprocess.run(self.command(*args), stdout=subprocess.PIPE, encoding='utf-8', timeout=PATIENCE_S)
        self.assertEqual(run.returncode, 0, run.stdout)
        return run.stdout

    def refuses(self, *args):
        run = subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')
        self.assertEqual((run.returncode, run.stdout), (2, ''))
        self.assertTrue(run.stderr.startswith(f'usage: {self.name}'), run.stderr)

    def complains(self, said, what, error):
        text = f'{self.name}: {what}: {os.strerror(error)}\n'.encode()
        self.assertEqual(said[-len(text):] if WRAPPER else said, text)  # valgrind has its own complaints

    def until(self, what):
        """Waits for a condition, and gives what it is."""
        end = time.monotonic() + PATIENCE_S
        while not (value := what()):
            self.assertLess(time.monotonic(), end, 'it does not come about')
            time.sleep(0.01)
        return value
