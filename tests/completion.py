"""completion.py PROGRAM SCRIPT: completion for bash, run by bash: for each command all options that its help
tells of, and no other; commands, benches, values, files; and by a key, in a bash that has a terminal."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SCRIPT = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
PATIENCE_S = 20

# As readline calls it: the words, of which the last is under the cursor. Lines of words come on standard input.
ASK = """compopt() { :; }
source "$1"
while read -r -a COMP_WORDS; do
    [ "${COMP_WORDS[-1]}" != EMPTY ] || COMP_WORDS[-1]=
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _eddy
    echo "${COMPREPLY[*]}"
done
"""


def ask(*lines, cwd=None):
    words = ''.join(f'{PROGRAM} {it}\n' for it in lines)
    run = subprocess.run(['bash', '--norc', '-c', ASK, 'bash', SCRIPT], input=words,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', cwd=cwd, check=True)
    assert run.stderr == '', run.stderr
    return [it.split() for it in run.stdout.splitlines()]


def help_of(*command):
    return subprocess.run([PROGRAM, *command, '--help'], stdout=subprocess.PIPE, encoding='utf-8', check=True).stdout


class Completion(unittest.TestCase):
    def test_every_option_of_every_command(self):
        benches = re.findall(r'^  (\w+)', help_of('bench'), re.M)
        commands = re.findall(r'^  (\w+)', help_of().split('commands:')[1], re.M)
        self.assertGreaterEqual(len(commands), 4)
        self.assertEqual(sorted(ask('EMPTY')[0]), sorted([*commands, '--help', '--version']))
        self.assertEqual(ask('bench EMPTY')[0], benches)
        paths = [(it,) for it in commands if it not in ('bench', 'backends')] + [('bench', it) for it in benches]
        for path, told in zip(paths, ask(*(f'{" ".join(it)} --' for it in paths))):
            options = set(re.findall(r'^  (?:-\w, )?(--[a-z-]+)', help_of(*path), re.M))
            self.assertGreaterEqual(len(options), 2)
            self.assertEqual(set(told), options, path)

    def test_values(self):
        backends = subprocess.run([PROGRAM, 'backends'], stdout=subprocess.PIPE, encoding='utf-8').stdout
        names = [it.split()[0] for it in backends.split('\n\n')[0].splitlines()[1:]]
        said = ask('serve --backend EMPTY', 'serve --backend = EMPTY', 'serve --backend =', 'show --backend ep',
            'serve --log c', 'bench models --model fo', 'serve --port EMPTY', 'serve -p EMPTY', 'serve --gr',
            'nothing EMPTY')
        self.assertEqual(said, [names, names, names, ['epoll'] if 'epoll' in names else [], ['common', 'combined'],
            ['fork'], [], [], ['--grace'], []])

    def test_what_is_listed_is_taken(self):
        """Values that the script has by itself: the program takes each, and names no other."""
        for command, option in (('serve', '--log'), ('bench models', '--wait')):
            said = ask(f'{command} {option} EMPTY')[0]
            run = subprocess.run([PROGRAM, *command.split(), option, 'x'], stderr=subprocess.PIPE, encoding='utf-8')
            self.assertEqual(run.returncode, 2)
            named = re.findall(r'\w+', run.stderr.split('is not')[1])
            self.assertEqual(set(said), set(named) - {'or', 'and', 'is', 'not'})

    def test_files(self):
        with tempfile.TemporaryDirectory() as place:
            os.mkdir(os.path.join(place, 'site'))
            open(os.path.join(place, 'some.log'), 'w').close()
            said = ask('serve s', 'serve --log-file s', 'serve --quiet s', 'show so', 'bench costs --directory s',
                'bench merge s', 'bench backends --report s', cwd=place)
        self.assertEqual([sorted(it) for it in said],
            [['site'], ['site', 'some.log'], ['site'], ['some.log'], ['site'], ['site'], ['site']])

    def test_by_a_key(self):
        pid, fd = pty.fork()
        if pid == 0:
            environment = {'PATH': os.path.dirname(PROGRAM) + ':/usr/bin:/bin', 'TERM': 'dumb', 'HOME': '/nonexistent'}
            os.execvpe('bash', ['bash', '--norc', '--noprofile', '-i'], environment)
        text, due = '', time.monotonic() + PATIENCE_S
        # What the shell prints is another word than what is typed, so that the echo is not taken for it.
        os.write(fd, f'source {SCRIPT}; echo rea""dy\n'.encode())
        typed = False
        while 'printed eddy serve --watchdog' not in text and time.monotonic() < due:
            if 'ready' in text and not typed:
                typed = True
                os.write(fd, b'eddy serve --watch\t\x01echo print""ed \n')
            if select.select([fd], [], [], 1)[0]:
                text += os.read(fd, 4096).decode(errors='replace')
        os.write(fd, b'exit\n')
        os.close(fd)
        os.waitpid(pid, 0)
        self.assertIn('printed eddy serve --watchdog', text)


if not shutil.which('bash'):
    print('completion: there is no bash')
    sys.exit(77)
unittest.main(verbosity=1)
