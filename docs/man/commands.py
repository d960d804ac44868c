"""commands.py: the pages of the program's commands, of their own help, and the one of the loop."""
import re
import subprocess
from pathlib import Path

from mdoc import argument, escape, literal

HERE = Path(__file__).parent
ROW = re.compile(r'  (\S.*?)(?: {2,}(\S.*))?$')


def help_of(program, *command):
    run = subprocess.run([*program, *command, '--help'], stdout=subprocess.PIPE, check=True, encoding='utf-8')
    return run.stdout


def rows_of(lines):
    """[(name, what)] of "  name   what", which may go on in further lines."""
    rows = []
    for line in lines:
        match = ROW.match(line)
        if match and not line.startswith('   '):
            # A name that fills its column has one space behind it.
            name, what = match[1], match[2] or ''
            rows.append([name, what])
        elif rows:
            rows[-1][1] += ' ' + line.strip()
    return rows


class Help:
    """What a command prints: its usage, paragraphs, and lists under a heading."""
    def __init__(self, text):
        usage, *blocks = re.split(r'\n{2,}', text.strip('\n'))
        self.usage = [re.sub(r'^(usage:)? *', '', it) for it in usage.split('\n')]
        self.blocks = []
        for block in blocks:
            first, *rest = block.split('\n')
            if first.endswith(':') and rest and all(it.startswith(' ') for it in rest):
                self.blocks.append((first[:-1], rows_of(rest)))
            else:
                self.blocks.append((None, block))


def synopsis(writer, usage):
    for line in usage:
        words = line.split()[1:]
        writer.macro('.Nm eddy')
        for word in words:
            macro = '.Ar' if word.strip('[]').isupper() else '.Li'
            writer.macro(f'{macro} {argument(word)}' + (r'\&' if word.endswith(']') else ''))


def put_rows(writer, rows):
    writer.macro('.Bl -tag -width Ds')
    for name, what in rows:
        writer.macro(f'.It Li {" ".join(argument(it) for it in name.split())}')
        writer.flow(what)
    writer.macro('.El')


def put_help(writer, text):
    """The blocks of a help, with the options last."""
    options = None
    for heading, block in text.blocks:
        if heading == 'options':
            options = block
        elif heading:
            writer.paragraph()
            writer.flow(heading[0].upper() + heading[1:] + ':')
            put_rows(writer, block)
        else:
            lines = block.split('\n')
            if len(lines) > 1 and any(ROW.match(it) and ROW.match(it)[2] for it in lines[1:]):
                writer.text(lines[0])
                put_rows(writer, rows_of(lines[1:]))
            else:
                writer.text(block)
    if options:
        writer.paragraph()
        writer.macro('Options:')
        put_rows(writer, options)


def extra(name):
    path = HERE / f'{name}.mdoc'
    return path.read_text(encoding='utf-8').rstrip('\n').split('\n') if path.is_file() else []


def write_commands(manual, program):
    top = Help(help_of(program))
    commands = next(block for heading, block in top.blocks if heading == 'commands')
    writer = manual.begin('eddy', 1, ['eddy'], 'serve files, measure and show an event loop')
    writer.macro('.Sh SYNOPSIS')
    synopsis(writer, top.usage)
    writer.macro('.Sh DESCRIPTION')
    put_help(writer, top)
    writer.lines += extra('eddy')
    manual.see_also(writer, '1', [('1', f'eddy-{name}') for name, _ in commands] + [('7', 'eddy')])
    manual.put(1, 'eddy', writer.lines)
    for name, what in commands:
        page = f'eddy-{name}'
        writer = manual.begin(page, 1, [page], what)
        text = Help(help_of(program, name))
        writer.macro('.Sh SYNOPSIS')
        synopsis(writer, text.usage)
        writer.macro('.Sh DESCRIPTION')
        put_help(writer, text)
        for heading, block in text.blocks:
            for bench, _ in block if heading == 'benches' else []:
                writer.macro(f'.Ss eddy {name} {bench}')
                put_help(writer, Help(help_of(program, name, bench)))
        writer.lines += extra(page)
        manual.see_also(writer, '1', [('1', 'eddy'), ('7', 'eddy')])
        manual.put(1, page, writer.lines)


def write_loop(manual):
    """eddy(7): the text of eddy.7.mdoc, in which @TURN@ stands for the phases and @HEADERS@ for all headers."""
    writer = manual.begin('eddy', 7, ['eddy'], 'an event loop in C, and its turn')
    loop = next(it for it in manual.headers if it.name == 'loop.h')
    for line in extra('eddy.7'):
        if line == '@TURN@':
            table = loop.head.split('\n\n')[1]
            writer.lines += literal('\n'.join(it[2:] for it in table.split('\n')))
        elif line == '@EXAMPLE@':
            writer.lines += literal((manual.root / 'docs/examples/first.c').read_text(encoding='utf-8').rstrip('\n'))
        elif line == '@HEADERS@':
            writer.macro('.Bl -tag -width Ds')
            for header in manual.headers[1:]:
                writer.macro(f'.It Xr {header.page} 3')
                writer.flow(re.split(r'(?<=[a-z])[.:](?:\s|$)', header.head.replace('`', ''))[0] + '.')
                writer.seen.add(('3', header.page))
            writer.macro('.El')
        else:
            writer.macro(line)
    manual.see_also(writer, '7', [('1', 'eddy'), ('3', 'eddy.h')])
    manual.put(7, 'eddy', writer.lines)
