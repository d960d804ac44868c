"""headers.py: reads the public headers, for man.py: of each what its first comment says, its functions
with the comment above them, and its types. The comments are the reference; they keep to a form:

    /* name.h: what it is for. … */           the head, before the include guard
    /* --- Title. More. --- */                a section; what it says holds for the functions in it
    /* What a function does. Errors: … */     of the declarations below it, up to an empty line
"""
import re
from pathlib import Path


class Function:
    def __init__(self, name, result, parameters):
        self.name, self.result, self.parameters = name, result, parameters


class Group:
    """Functions that share a comment, and so a page."""
    def __init__(self, header, section, doc, since):
        self.header, self.section, self.doc, self.since, self.functions = header, section, doc, since, []

    @property
    def name(self):
        return self.functions[0].name


class Header:
    def __init__(self, name):
        self.name = name  # "timer.h"
        self.head = self.since = ''
        self.groups = []
        self.items = []  # in order: ('section', title, text), ('type', doc, code) or ('group', group)

    @property
    def page(self):
        return 'eddy.h' if self.name == 'eddy.h' else 'eddy_' + self.name


def uncomment(text):
    """The text of a comment, its lines as they stand, without what is said of versions."""
    text = re.sub(r'^/\* ?|\s*\*/$', '', text.strip())
    text = re.sub(r'(?:\n \*)? @since \S+\Z', '', text)
    return '\n'.join(re.sub(r'^ \*(?: |$)', '', line) for line in text.split('\n')).rstrip()


def blocks_of(text):
    """The comments, declarations and empty lines that a header is made of, each whole."""
    lines, i = text.split('\n'), 0
    while i < len(lines):
        first = i
        if lines[i].startswith('/*'):
            while '*/' not in lines[i]:
                i += 1
        elif lines[i].startswith('#'):
            while lines[i].endswith('\\'):
                i += 1
        elif lines[i].strip():
            while True:  # to the ";" that is in no braces and no comment
                code = re.sub(r'/\*.*?(\*/|\Z)', '', '\n'.join(lines[first:i + 1]), flags=re.S)
                if code.count('{') == code.count('}') and code.rstrip().endswith(';'):
                    break
                i += 1
            while lines[i].count('/*') > lines[i].count('*/'):
                i += 1
        yield '\n'.join(lines[first:i + 1])
        i += 1


def split_parameters(text):
    return [' '.join(it.split()) for it in re.split(r',(?![^()]*\))', text)]


def since_of(comment):
    """The version that brought what the comment is of: "@since 0.1" at its end."""
    match = re.search(r'@since (\d\S*)\s*\*/\Z', comment.strip())
    return match[1] if match else ''


def function_of(block):
    match = re.match(r'EDDY_API (.*?)(eddy_\w+)\((.*)\);', ' '.join(block.split()))
    return Function(match[2], match[1].strip(), split_parameters(match[3]))


def section_of(comment):
    """The title of a section, and what it says beside."""
    match = re.match(r'--- (.*?)(?: ---|\Z)(.*)', uncomment(comment), re.S)
    title, more = re.match(r'(.*?)(?:\. (.*))?\Z', ' '.join(match[1].split()), re.S).groups()
    return title.rstrip('.'), ((more or '') + match[2]).strip('\n')


def split_section(text):
    """The head and the body of a header: what is between the guards of C++, where there are any."""
    head = re.match(r'/\*.*?\*/', text, re.S)[0]
    body = re.search(r'extern "C" \{\n#endif\n(.*)\n#ifdef __cplusplus\n}', text, re.S)
    return head, body[1]


def read_header(root, path):
    header = Header(path.name)
    head, body = split_section(path.read_text(encoding='utf-8'))
    header.head = re.sub(rf'^{re.escape(path.name)}: ', '', uncomment(head))
    header.since = since_of(head)
    section, doc, since, group = ('', ''), '', '', None
    for block in blocks_of(body):
        if not block.strip():
            doc, since, group = '', '', None
        elif block.startswith('/* ---'):
            section = section_of(block)
            header.items.append(('section', *section))
        elif block.startswith('/*'):
            doc, since, group = uncomment(block), since_of(block), None
        elif block.startswith('EDDY_API'):
            trailing = re.search(r'/\*.*\*/', block)
            if group is None or trailing:
                group = Group(header, section, uncomment(trailing[0]) if trailing else doc, since or header.since)
                header.groups.append(group)
                header.items.append(('group', group))
            if not group.doc:
                raise SystemExit(f'{path}: nothing is said of {block.split("(")[0]}')
            group.functions.append(function_of(re.sub(r'\s*/\*.*\*/', '', block)))
        elif not re.match(r'typedef struct (\w+) \1;|struct \w+;', block):
            header.items.append(('type', doc, block))
            group = None
    return header


def read_headers(root):
    include = Path(root) / 'include'
    names = [include / 'eddy.h', *sorted((include / 'eddy').glob('*.h'))]
    return [read_header(include, path) for path in names]
