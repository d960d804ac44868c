"""man.py DIR SOURCE LIBRARY [PROGRAM]: the manual pages in DIR. Each function that LIBRARY exports, each header
and each command has a page, which names the errors that the header names, says which thread may call it, and
leads to pages that are there; each option that the program tells of is in its command's page. mandoc, or else
groff, has nothing to say of them."""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

failures = []


def check(good, text):
    if not good:
        failures.append(text)


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8').stdout


def plain(page):
    """The words of a page, without macros and escapes."""
    text = re.sub(r'\\&|\\f[IPB]', '', page).replace('\\-', '-').replace('\\ ', ' ')
    return ' '.join(re.sub(r'(?m)^\.\S+ ?', '', text).split())


def functions(source):
    """[(name, comment, header)], read in another way than docs/man does."""
    for path in sorted((source / 'include').rglob('*.h')):
        comment = ''
        for part in re.findall(r'/\*.*?\*/|(?m:^EDDY_API [^;]*;)|\n\n|.', path.read_text(encoding='utf-8'), re.S):
            if part.startswith('/*'):
                comment = part
            elif part == '\n\n':
                comment = ''
            elif part.startswith('EDDY_API'):
                yield re.search(r'\b(eddy_\w+)\(', part)[1], comment, path.name


def check_functions(pages, source, library):
    known = {}
    for name, comment, header in functions(source):
        known[name] = header
        page = pages.get(f'{name}.3', '')
        check(page, f'{name} has no page')
        check(len(comment) > 8, f'{header}: nothing is said of {name}')
        check(f'.Fo {name}\n' in page and f'{name} ' in page.split('.Nd')[0].replace('\n', ' '),
            f'{name} is not in its page')
        for error in set(re.findall(r'-E[A-Z][A-Z0-9]+', comment)):
            check(error in plain(page), f'the page of {name} does not name {error}')
        check('.Sh THREADS' in page, f'the page of {name} does not say which thread may call it')
        if 'Errors' in comment:
            check('.Sh ERRORS' in page, f'the page of {name} has no errors')
    for name in re.findall(r' T (eddy_[a-z]\w*)$', output('nm', '-D', '--defined-only', library), re.M):
        check(name in known, f'{name} is exported, and in no header')
    check(len(known) > 200, 'hardly any functions')
    for header in set(known.values()):
        page = 'eddy.h.3' if header == 'eddy.h' else f'eddy_{header}.3'
        check(page in pages, f'{header} has no page')
    with_examples = sum('.Sh EXAMPLES' in pages.get(f'{name}.3', '') for name in known)
    check(with_examples > len(known) // 2, f'only {with_examples} pages have an example')


def check_links(pages):
    for name, page in pages.items():
        for link, section in re.findall(r'\bXr (eddy\S*) (\d)', page):
            check(f'{link}.{section}' in pages, f'{name} leads to {link}({section}), which is not there')
        check('.Dl' not in page or '@' not in re.sub(r'@NAME|@[a-z]', '', page), f'{name}: something is not filled in')


def check_commands(pages, program):
    names = re.findall(r'^  (\w+)', output(program, '--help').split('commands:')[1], re.M)
    check(len(names) >= 4, 'hardly any commands')
    for name in names:
        page = plain(pages.get(f'eddy-{name}.1', ''))
        check(page, f'eddy {name} has no page')
        told = output(program, name, '--help')
        for bench in re.findall(r'^  (\w+)', told, re.M) if name == 'bench' else []:
            told += output(program, name, bench, '--help')
        for option in re.findall(r'^  (?:-\w, )?(--[a-z-]+ ?\S*)', told, re.M):
            check(option.strip() in page, f'eddy-{name}(1) does not have {option}')


def check_form(paths):
    """Links to other pages were looked at above; here mandoc would look for all of them in the system's."""
    with tempfile.TemporaryDirectory() as copies:
        for path in paths:
            text = re.sub(r'\bXr\b', 'Ic', path.read_text(encoding='utf-8'))
            (Path(copies) / path.name).write_text(text, encoding='utf-8')
        names = sorted(str(it) for it in Path(copies).iterdir())
        if shutil.which('mandoc'):
            said = output('mandoc', '-T', 'lint', *names)
        elif shutil.which('groff'):
            said = output('groff', '-K', 'utf8', '-mdoc', '-ww', '-z', *names)
        else:
            print('man: neither mandoc nor groff is here to read the pages')
            return
        check(said == '', said)


def main(directory, source, library, program=None):
    paths = sorted(Path(directory).glob('man[137]/*'))
    pages = {path.name: path.read_text(encoding='utf-8') for path in paths}
    check_functions(pages, Path(source), library)
    check_links(pages)
    if program:
        check_commands(pages, program)
    check_form([path for path in paths if not path.is_symlink()])
    print('\n'.join(failures) or f'man: {len(pages)} pages')
    sys.exit(bool(failures))


main(*sys.argv[1:])
