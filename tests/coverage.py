"""coverage.py JSON LIST: sums up what gcovr found, a line for each file and each top directory.

A line of LIST names what cannot run here: "file | a part of the line | why". Of the lines of that
file with that text, what did not run is left out of the second figure. An entry that nothing
missing answers to is an error, so that the list does not outlive its reasons."""
import json
import sys

GOALS = {'src': (95, 85), 'platform': (95, 85)}  # per cent of lines, of branches


class Sum:
    def __init__(self):
        self.lines = self.run = self.lines_out = 0
        self.branches = self.taken = self.branches_out = 0
        self.missing = []

    def add_line(self, number, count, taken, left_out):
        self.lines += 1
        self.run += count > 0
        self.branches += len(taken)
        self.taken += sum(taken)
        if count == 0 or not all(taken):
            if not left_out:
                self.missing.append(number if count == 0 else '%d?' % number)
                return
            self.lines_out += count == 0
            self.branches_out += len(taken) - sum(taken)

    def add(self, other):
        for name in ('lines', 'run', 'lines_out', 'branches', 'taken', 'branches_out'):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def per_cent(part, whole):
    return 100 * part / whole if whole > 0 else 100


def read_list(path):
    entries = []
    for line in open(path):
        if line.strip() and not line.startswith('#'):
            file, text, _ = (part.strip() for part in line.split(' | '))
            entries.append({'file': file, 'text': text, 'used': False})
    return entries


def sum_up(file, entries):
    total = Sum()
    source = open(file['file']).read().split('\n')
    mine = [entry for entry in entries if entry['file'] == file['file']]
    for line in file['lines']:
        if line.get('gcovr/noncode'):
            continue
        number, count = line['line_number'], line['count']
        taken = [branch['count'] > 0 for branch in line['branches']]
        matching = [entry for entry in mine if entry['text'] in source[number - 1]]
        if matching and (count == 0 or not all(taken)):
            for entry in matching:
                entry['used'] = True
        total.add_line(number, count, taken, len(matching) > 0)
    return total


def print_sum(name, it, detail):
    print('%-30s %5d lines %5.1f %%  %5d branches %5.1f %%  %s' % (
        name, it.lines, per_cent(it.run, it.lines),
        it.branches, per_cent(it.taken, it.branches), detail))


def main():
    entries = read_list(sys.argv[2])
    directories = {}
    for file in sorted(json.load(open(sys.argv[1]))['files'], key=lambda file: file['file']):
        it = sum_up(file, entries)
        directories.setdefault(file['file'].split('/')[0], Sum()).add(it)
        print_sum(file['file'], it, ' '.join(map(str, it.missing)))
    print()
    wrong = []
    for name, it in directories.items():
        lines_can, branches_can = it.lines - it.lines_out, it.branches - it.branches_out
        print_sum(name, it, '(%.1f %%, %.1f %% without the %d lines and %d branches that cannot run here)' % (
            per_cent(it.run, lines_can), per_cent(it.taken, branches_can), it.lines_out, it.branches_out))
        goal = GOALS.get(name, (0, 0))
        if per_cent(it.run, it.lines) < goal[0] or per_cent(it.taken, it.branches) < goal[1]:
            wrong.append('%s: less than %d %% of lines or %d %% of branches' % (name, *goal))
    wrong += ['coverage.txt: nothing is missing at "%s | %s"' % (entry['file'], entry['text'])
              for entry in entries if not entry['used']]
    print('Branches of EDDY_ASSERT do not count. A number is a line that did not run; with "?", one '
          'of its branches.')
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


main()
