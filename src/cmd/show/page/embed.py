"""embed.py [--recorded FILE [--guide URL]] PAGE OUT [DEPFILE]: puts the page of `eddy show` together.

PAGE is HTML with a line <!-- style: … --> and one <!-- script: … -->, which name files beside it, in whose
places these come. OUT is a C file that defines show_page, or, where its name ends in .html, the page itself.
DEPFILE tells ninja what was read. --recorded: a session that `eddy show --record` kept goes into the page,
which then plays it without a server; --guide: where the guide is, with a slash at the end."""
import html
import json
import re
import sys
from pathlib import Path

BYTES_MAX = 150 * 1024  # without a recording


def recorded_of(name):
    """The lines of a recording as a JSON array that may stand inside of a script element."""
    lines = [line for line in Path(name).read_text(encoding='utf-8').splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError as error:
            sys.exit(f'embed.py: {name}:{number}: {error}')
    return ('[' + ',\n'.join(lines) + ']').replace('<', '\\u003c')


def page_of(page, read):
    """The page in one piece; what it was made of is added to `read`."""
    def inside(match):
        paths = [page.parent / name for name in match[2].split()]
        read.extend(paths)
        text = ''.join(path.read_text(encoding='utf-8') for path in paths)
        if f'</{match[1]}' in text:
            sys.exit(f'embed.py: {match[2]}: </{match[1]} would end it early')
        if match[1] == 'script':
            text = "'use strict';\n(() => {\n" + text + '})();\n'
        return f'<{match[1]}>\n{text}</{match[1]}>\n'

    read.append(page)
    text = re.sub(r'<!-- (style|script): (.*) -->\n', inside, page.read_text(encoding='utf-8'))
    if len(text.encode()) > BYTES_MAX:
        sys.exit(f'embed.py: the page has {len(text.encode())} bytes; {BYTES_MAX} is the limit')
    return text


def c_of(text):
    """As numbers: a string could not be so long in C11. Whether a char has a sign does not matter to '\\xe2'."""
    def element(byte):
        return str(byte) if byte < 128 else f"'\\x{byte:02x}'"
    data = text.encode()
    lines = [','.join(map(element, data[at:at + 32])) for at in range(0, len(data), 32)]
    return ('/* Made by embed.py. */\n#include "page.h"\n\nconst char show_page[] = {\n' + ',\n'.join(lines) +
        '};\nconst size_t show_page_bytes = sizeof show_page;\n')


def main(arguments):
    options = {}
    while arguments[:1] in (['--recorded'], ['--guide']) and len(arguments) > 1:
        options[arguments[0]], arguments = arguments[1], arguments[2:]
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    page, out, *depfile = arguments
    recorded = ''
    if '--recorded' in options:
        guide = html.escape(options.get('--guide', ''))
        recorded = (f'<script type="application/json" id="recorded" data-guide="{guide}">\n'
            f'{recorded_of(options["--recorded"])}\n</script>\n')
    read = [Path(__file__)]
    text = page_of(Path(page), read).replace('<!-- recorded -->\n', recorded)
    Path(out).write_text(text if out.endswith('.html') else c_of(text), encoding='utf-8')
    for name in depfile:
        Path(name).write_text(f'{out}: ' + ' '.join(str(path).replace(' ', '\\ ') for path in read) + '\n', encoding='utf-8')


main(sys.argv[1:])
