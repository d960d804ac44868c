"""man.py SOURCE OUT DEPFILE VERSION DATE [PROGRAM…]: makes the manual pages in the directories OUT/man1,
man3 and man7.

    man3/eddy_timer_start.3    each function, of its comment in include/eddy; others of the same comment lead to it
    man3/eddy_timer.h.3        each header: what holds for all of it, its types and functions
    man1/eddy-serve.1          each command, of what PROGRAM serve --help prints, and docs/man/eddy-serve.mdoc
    man7/eddy.7                the loop, of docs/man/eddy.mdoc and the head of loop.h

PROGRAM is how `eddy` is run; without it there are no pages of commands. DEPFILE tells ninja what was read."""
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # a build leaves the sources as they are
import commands
from headers import read_headers
from mdoc import Writer, argument, escape, literal, sentences

THREAD = re.compile(r'(Loop thread|Any thread|One thread at a time|Not from a job|Async-signal-safe)')
ERROR = re.compile(r'-(E[A-Z][A-Z0-9]+)\b')
EXAMPLE_LINES = 25
LIBRARY = 'Event loop (libeddy, \\-leddy)'


def brief(doc):
    """The line after the name: the first sentence, or as much of it as fits a line."""
    text = sentences(doc.split('\n\n')[0])[0].replace('`', '').rstrip('.:')
    while len(text) > 72 and re.search(r'[;:,] ', text[16:]):
        text = re.match(r'(.{16,})[;:,] ', text)[1]
    if text.count('(') > text.count(')'):
        text = text[:text.rindex('(')].rstrip(' ,')
    return text[0].lower() + text[1:] if re.match(r'[A-Z]([a-z]| )', text) else text


def errors_listed(text):
    """[(errno, when)] of "-EBUSY (…), -ENOMEM, or as eddy_io_start", or None if it is more than a list."""
    items = re.split(r'(?:,|;)\s+(?:or (?=as ))?(?![^()]*\))', text.rstrip('.'))
    found = []
    for item in items:
        match = re.fullmatch(r'(?:or )?-(E[A-Z0-9]+)(?: \((.*)\))?', ' '.join(item.split()), re.S)
        other = re.fullmatch(r'(?:or )?(as .*|the same|what .*)', ' '.join(item.split()), re.S)
        if match:
            found.append((match[1], match[2] or ''))
        elif other:
            found.append(('', other[1]))
        else:
            return None
    return found


class Parts:
    """A function's comment, taken apart."""
    def __init__(self, doc):
        self.text, self.errors, self.thread, self.returns = [], '', [], []
        for paragraph in doc.split('\n\n'):
            rest = self.take(paragraph)
            if rest.strip():
                self.text.append(rest)

    def take(self, paragraph):
        if re.search(r'(?m)^(    | {0,2}- )', paragraph):
            plain = re.split(r'(?m)^(?=    | {0,2}- )', paragraph, 1)
            return self.take(plain[0]).rstrip() + '\n' + plain[1] if plain[0].strip() else paragraph
        kept, is_error = [], False
        for sentence in sentences(paragraph):
            is_error = is_error or bool(re.match(r'Errors?\b(?!s of one)', sentence)) and '-E' in sentence or \
                bool(re.match(r'Errors?( also|, after|, which| of all)?[^.]*: ', sentence))
            if THREAD.match(sentence):
                self.thread.append(sentence)
            elif is_error:
                self.errors += (' ' if self.errors else '') + sentence
            elif re.match(r'Returns (?!when)', sentence):
                self.returns.append(sentence)
            else:
                kept.append(sentence)
        return '\n'.join(kept)


class Manual:
    def __init__(self, root, out, version, date):
        self.root, self.out, self.version, self.date = Path(root), Path(out), version, date
        self.headers = read_headers(root)
        self.groups = [group for header in self.headers for group in header.groups]
        self.page_of = {it.name: group.name for group in self.groups for it in group.functions}
        self.pages = set(self.page_of) | {it.page for it in self.headers}
        self.examples = self.find_examples()
        self.written = set()

    def find_examples(self):
        """The functions of the examples: [(file, text, what it calls)], the shortest first."""
        found = []
        for path in sorted((self.root / 'docs/examples').glob('*.c')):
            text = path.read_text(encoding='utf-8')
            found += [(path.name, it[0], set(re.findall(r'\b(eddy_\w+)\(', it[0]))) for it in re.finditer(
                r'^[a-z][^;{}\n]*\([^;{}]*\) \{\n(?:.*\n)*?}$', text, re.M) if it[0].count('\n') < EXAMPLE_LINES]
        return sorted(found, key=lambda it: (it[1].count('\n'), it[:2]))

    def put(self, section, name, lines):
        path = self.out / f'man{section}' / f'{name}.{section}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
        self.written.add(path)

    def begin(self, name, section, names, title):
        writer = Writer(names, self.pages)
        writer.macro(f'.\\" Made by docs/man/man.py of eddy {self.version}.', f'.Dd {self.date}',
            f'.Dt {name.upper()} {section}', '.Os', '.Sh NAME')
        writer.macro(*(f'.Nm {it}{" ," if it != names[-1] else ""}' for it in names))
        writer.macro('.Nd ' + ' '.join(argument(it) for it in title.split()))
        return writer

    def see_also(self, writer, section, names=()):
        links = writer.seen | set(names)
        links = sorted(it for it in links if it[0] != section or it[1] not in writer.names)
        if links:
            writer.macro('.Sh SEE ALSO')
            writer.macro(*(f'.Xr {name} {section}{"" if (section, name) == links[-1] else " ,"}'
                for section, name in links))

    # --- Section 3: functions ---

    def prototypes(self, writer, group):
        writer.macro('.Sh LIBRARY', LIBRARY, '.Sh SYNOPSIS',
            f'.In {"eddy.h" if group.header.name not in ("http.h",) else "eddy/http.h"}')
        for it in group.functions:
            writer.macro(f'.Ft {escape(it.result)}', f'.Fo {it.name}',
                *(f'.Fa "{escape(parameter)}"' for parameter in it.parameters), '.Fc')

    def errors_before(self, group, doc):
        """Whose errors an "Errors also" adds to: the name of a page, or the text of a section."""
        groups = group.header.groups
        at = groups.index(group)
        if doc.startswith('The same') and at > 0:
            return groups[at - 1].name
        if 'Errors of each function' in group.header.head:
            return group.header.page
        for other in reversed(groups[:at]):
            if re.search(r'Errors(?! also)\b', other.doc):
                return other.name
        return None

    def write_errors(self, writer, group, parts):
        head = re.search(r'Errors of each function[^.]*', group.header.head)
        section = [it for it in sentences(group.section[1]) if ERROR.search(it)]
        if not parts.errors and not head and not section:
            return
        writer.macro('.Sh ERRORS')
        writer.flow(' '.join(section))
        base = None if section else \
            self.errors_before(group, group.doc) if 'Errors also' in parts.errors or head else None
        if base in self.pages:
            writer.flow(f'Those of {base}(3){", and:" if parts.errors else "."}')
        match = re.match(r'Errors( also)?: (.*)\Z', parts.errors, re.S)
        first = sentences(match[2]) if match else []
        listed = errors_listed(first[0]) if first else None
        if listed and any(name for name, _ in listed):
            writer.macro('.Bl -tag -width EADDRNOTAVAIL')
            for name, when in listed:
                writer.macro(f'.It {chr(92)}-{name}' if name else '.It others')
                writer.flow(when[:1].upper() + when[1:] + '.' if when else '')
            writer.macro('.El')
            writer.flow(' '.join(first[1:]))
        elif parts.errors:
            writer.flow(parts.errors)

    def thread_of(self, group, parts):
        def told(text):
            return [it for paragraph in text.split('\n\n') for it in sentences(re.split(r'(?m)^    ', paragraph)[0])
                if THREAD.match(it)]
        return ' '.join(parts.thread or told(group.section[1]) or told(group.header.head))

    def write_example(self, writer, group):
        named = re.search(r'docs/examples/(\w+\.c)', group.doc)
        names = {it.name for it in group.functions}
        found = [it for it in self.examples if names & it[2]]
        found.sort(key=lambda it: named is None or it[0] != named[1])
        if not found:
            return
        name, text, _ = found[0]
        writer.macro('.Sh EXAMPLES')
        writer.flow(f'From docs/examples/{name}:')
        writer.lines += literal(text)

    def write_group(self, group):
        parts = Parts(group.doc)
        names = [it.name for it in group.functions]
        writer = self.begin(group.name, 3, names, brief(group.doc))
        self.prototypes(writer, group)
        writer.macro('.Sh DESCRIPTION')
        groups = group.header.groups
        at = groups.index(group)
        if group.doc.startswith('The same'):
            writer.flow(f'After {groups[at - 1].name}(3):')
        writer.text('\n\n'.join(parts.text) or group.doc)
        if group.section[1]:
            writer.paragraph()
            writer.flow(group.section[0] + ':')
            writer.text(group.section[1])
        writer.paragraph()
        writer.flow(f'What holds for all of its kind is in {group.header.page}(3).')
        if parts.returns:
            writer.macro('.Sh RETURN VALUES')
            writer.flow(' '.join(parts.returns))
        elif all(it.result == 'int' for it in group.functions) and parts.errors and \
                not re.search(r'\breturns?\b', group.doc):
            writer.macro('.Sh RETURN VALUES')
            writer.flow('0, or a negative error number, which eddy_strerror(3) explains.')
        thread = self.thread_of(group, parts)
        if thread:
            writer.macro('.Sh THREADS')
            writer.flow(thread)
        self.write_example(writer, group)
        self.write_errors(writer, group, parts)
        self.see_also(writer, '3', [('3', group.header.page), ('7', 'eddy')] +
            [('3', it.name) for it in groups[max(0, at - 2):at + 3]])
        if group.since:
            writer.macro('.Sh HISTORY')
            writer.flow(f'Since eddy {group.since}.')
        self.put(3, group.name, writer.lines)
        for name in names[1:]:
            link = self.out / f'man3/{name}.3'
            link.unlink(missing_ok=True)
            link.symlink_to(f'{group.name}.3')
            self.written.add(link)

    # --- Section 3: headers ---

    @staticmethod
    def shown_type(doc, code):
        """A type as it is declared; of a struct whose fields are private, its name."""
        match = re.match(r'(typedef )?struct (\w+) \{', code)
        if match and re.search(r'[Ff]ields are private|^Private|private while', doc):
            return f'{match[1] or ""}struct {match[2]} {{ /* private */ }}{" " + match[2] if match[1] else ""};'
        return code

    def write_header(self, header):
        writer = self.begin(header.page, 3, [header.page], brief(header.head))
        path = header.name if header.name == 'eddy.h' else 'eddy/' + header.name
        writer.macro('.Sh LIBRARY', LIBRARY, '.Sh SYNOPSIS', f'.In {path}', '.Sh DESCRIPTION')
        writer.text(header.head[0].upper() + header.head[1:])
        for item in header.items:
            if item[0] == 'section':
                writer.macro(f'.Ss {" ".join(argument(it) for it in item[1].split())}')
                writer.text(item[2]) if item[2] else None
            elif item[0] == 'type' and not item[2].startswith('#define EDDY_API'):
                writer.text(item[1]) if item[1] else None
                writer.lines += literal(self.shown_type(item[1], item[2]))
            elif item[0] == 'group':
                writer.paragraph()
                for it in item[1].functions:
                    writer.macro(f'.Xr {it.name} 3 :' if it is item[1].functions[-1] else f'.Xr {it.name} 3 ,')
                    writer.seen.add(('3', it.name))
                writer.flow(brief(item[1].doc) + '.')
        self.see_also(writer, '3', [('7', 'eddy')])
        self.put(3, header.page, writer.lines)

    # --- All ---

    def make(self, program):
        for header in self.headers:
            self.write_header(header)
        for group in self.groups:
            self.write_group(group)
        commands.write_loop(self)
        if program:
            commands.write_commands(self, program)
        for path in self.out.glob('man?/*'):  # of what is no more
            if path not in self.written:
                path.unlink()
        for path in self.out.glob('man?'):
            os.utime(path)  # ninja looks at the directories


def main(root, out, depfile, version, date, *program):
    manual = Manual(root, out, version, date)
    manual.make(program)
    here = Path(__file__).parent
    read = [*(Path(root) / 'include').rglob('*.h'), *(Path(root) / 'docs/examples').glob('*.c'), *here.iterdir()]
    names = ' '.join(str(it).replace(' ', '\\ ') for it in read if it.is_file())
    Path(depfile).write_text(f'{out}/man3: {names}\n', encoding='utf-8')


main(*sys.argv[1:])
