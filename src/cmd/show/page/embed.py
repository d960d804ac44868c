"""embed.py OUT PAGE [FILE…]: puts the page of `eddy show` together, into OUT.

PAGE is HTML with a line <!-- style --> and one <!-- script -->, in whose places the files that end in
.css and .js come, in the order given. OUT is a C file that defines show_page, or, where its name ends in
.html, the page itself.

--recorded FILE in front: a session that `eddy show --record` kept goes into the page, which then plays it
without a server."""
import json
import sys
from pathlib import Path

BYTES_MAX = 150 * 1024  # without a recording


def text_of(files, ending):
    return ''.join(Path(name).read_text(encoding='utf-8') for name in files if name.endswith(ending))


def recorded_of(name):
    """The lines of a recording as a JSON array that may stand inside of a script element."""
    lines = [line for line in Path(name).read_text(encoding='utf-8').splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError as error:
            sys.exit(f'embed.py: {name}:{number}: {error}')
    text = '[' + ',\n'.join(lines) + ']'
    return text.replace('<', '\\u003c')


def page_of(page, files, recorded):
    text = Path(page).read_text(encoding='utf-8')
    script = text_of(files, '.js')
    for name, inner in (('style', text_of(files, '.css')), ('script', "'use strict';\n(() => {\n" + script + '})();\n')):
        mark = f'<!-- {name} -->\n'
        if text.count(mark) != 1 or f'</{name}' in inner:
            sys.exit(f'embed.py: {page}: not one {mark.strip()}, or it would end early')
        text = text.replace(mark, f'<{name}>\n{inner}</{name}>\n')
    if len(text.encode()) > BYTES_MAX:
        sys.exit(f'embed.py: the page has {len(text.encode())} bytes; {BYTES_MAX} is the limit')
    if recorded:
        text = text.replace('<!-- recorded -->\n',
            f'<script type="application/json" id="recorded">\n{recorded_of(recorded)}\n</script>\n')
    return text.replace('<!-- recorded -->\n', '')


def c_of(text):
    """As numbers: a string could not be so long in C11. Whether a char has a sign does not matter to '\\xe2'."""
    def element(byte):
        return str(byte) if byte < 128 else f"'\\x{byte:02x}'"
    data = text.encode()
    lines = [','.join(map(element, data[at:at + 32])) for at in range(0, len(data), 32)]
    return ('/* Made by embed.py. */\n#include "page.h"\n\nconst char show_page[] = {\n' + ',\n'.join(lines) +
        '};\nconst size_t show_page_bytes = sizeof show_page;\n')


def main(arguments):
    recorded = None
    if arguments[:1] == ['--recorded']:
        recorded, arguments = arguments[1], arguments[2:]
    if len(arguments) < 2:
        sys.exit(__doc__)
    out, page, *files = arguments
    text = page_of(page, files, recorded)
    Path(out).write_text(text if out.endswith('.html') else c_of(text), encoding='utf-8')


main(sys.argv[1:])
