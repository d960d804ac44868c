"""mdoc.py: text of comments as mdoc(7), the macros that man(1) and mandoc(1) read."""
import re
import textwrap

WIDTH = 78
SPECIAL = {'…': '...', '§': r'\(sc', '→': r'\(->', '–': r'\(en', '×': r'\(mu', '“': r'\(lq', '”': r'\(rq',
    '’': "'"}


def escape(word):
    """A word of text. Options and errors keep their minus sign when they are copied."""
    word = word.replace('\\', r'\e')
    for char, code in SPECIAL.items():
        word = word.replace(char, code)
    word = re.sub(r'(?<=Net|ree|pen)(?=BSD)', r'\\&', word)  # mandoc wants a macro for the name as it is
    return re.sub(r'(?<![A-Za-z0-9])-+(?=[A-Za-z0-9])', lambda it: it[0].replace('-', r'\-'), word)


def argument(word):
    """A word of a macro's line, where the name of another macro would be called."""
    word = escape(word).replace('"', r'\(dq')
    return r'\&' + word if re.fullmatch(r'%?[A-Z][a-z0-9]{1,2}|[.,:;()\[\]?!|]', word) else word


def literal(text):
    lines = []
    for line in text.split('\n'):
        line = line.replace('\\', r'\e').replace('-', r'\-')
        for char, code in SPECIAL.items():
            line = line.replace(char, code)
        lines.append(re.sub(r"^(?=[.'])", r'\\&', line.rstrip()))
    return ['.Bd -literal -offset indent', *lines, '.Ed']


def sentences(text):
    """The sentences of a paragraph. Brackets may hold several."""
    found, depth, start = [], 0, 0
    for match in re.finditer(r'[([]|[)\]]|[.?!][)"]?\s+(?=[A-Z"(`*0-9-])|\Z', text):
        mark = match[0]
        if mark[:1] in ('(', '['):
            depth += 1
        elif mark[:1] in (')', ']'):
            depth = max(depth - 1, 0)
        elif depth == 0 or mark == '':
            found.append(' '.join(text[start:match.end()].split()))
            start = match.end()
    return [it for it in found if it]


class Writer:
    """Lines of one page, of these names. `pages` is the set of names that have a page in section 3."""
    def __init__(self, names, pages):
        self.names, self.pages, self.lines, self.seen = names, pages, [], set()

    def macro(self, *lines):
        self.lines += lines

    def paragraph(self):
        if not self.lines[-1].startswith(('.Sh', '.Ss', '.Pp')):
            self.macro('.Pp')

    # --- Words ---

    def reference(self, word):
        """The macro for a word that names another page, or None."""
        match = re.match(r'([("]*)([a-z_]+\.h|\w+)(\(\)|\([1-8]\))?(.*)\Z', word, re.S)
        if not match or re.match(r'\w', match[4]):
            return None
        before, name, brackets, after = match.groups()
        if name.endswith('.h') and not name.startswith('eddy'):
            name = 'eddy_' + name
        section = brackets[1] if brackets and brackets != '()' else '3'
        is_other = section not in '13'  # O(1) is no page, nor close(1)
        if name in self.names or not (is_other or name in self.pages or brackets == '()'):
            return None
        plain = re.fullmatch(r'[.,:;)?!]*', after)
        rest = ' '.join(after) if plain else f'Ns {escape(after)}'
        before = rf'.No \&{escape(before)} Ns ' if before else '.'
        if section == '3' and name not in self.pages:
            return f'{before}Fn {name} {rest}'.rstrip()
        self.seen.add((section, name))
        return f'{before}Xr {name} {section} {rest}'.rstrip()

    def flow(self, text):
        """Text, a sentence a line or more."""
        for sentence in sentences(text):
            code = [re.sub(r'\s+', '\x01', it) if i % 2 else it for i, it in enumerate(sentence.split('`'))]
            marked = ''.join(f'\x02{it}\x03' if i % 2 else it for i, it in enumerate(code))
            line = ''
            for word in marked.split():
                macro = self.reference(re.sub(r'[\x02\x03]', '', word))
                if macro:
                    self.put(line)
                    self.lines.append(macro)
                    line = ''
                    continue
                word = escape(word).replace('\x01', r'\ ').replace('\x02', r'\fI').replace('\x03', r'\fP')
                if line and len(line) + len(word) >= WIDTH:
                    self.put(line)
                    line = ''
                line += (' ' if line else '') + word
            self.put(line)

    def put(self, line):
        if line:
            self.lines.append(r'\&' + line if line[0] in ".'" else line)

    # --- Paragraphs ---

    def text(self, text):
        """Paragraphs, lists of lines that begin with "- ", and what is indented, as it stands."""
        for part in re.split(r'\n{2,}', text.strip('\n')):
            lines = part.split('\n')
            if len(lines) > 1 and lines[0].startswith('    ') and not lines[1].startswith(' '):
                lines[0] = lines[0].strip()  # the paragraph's own indentation
            for kind, run in self.runs(lines):
                if kind == 'literal':
                    self.lines += literal(textwrap.dedent('\n'.join(run)))
                elif kind == 'list':
                    self.items(run)
                else:
                    self.paragraph()
                    self.flow('\n'.join(run))

    @staticmethod
    def runs(lines):
        """Lines of one kind together."""
        runs = []
        for line in lines:
            in_list = runs and runs[-1][0] == 'list'
            if re.match(r' {0,2}- \S', line) and not re.match(r' {2}-  ', line):
                kind = 'list'
            elif in_list and line.startswith(' '):
                kind = 'list'
            elif line.startswith('    ') or re.match(r'  .*\S {2,}\S', line):
                kind = 'literal'
            else:
                kind = 'text'
            if runs and runs[-1][0] == kind:
                runs[-1][1].append(line)
            else:
                runs.append((kind, [line]))
        return runs

    def items(self, lines):
        self.macro('.Bl -bullet')
        for item in re.split(r'(?m)^ *- ', '\n'.join(lines))[1:]:
            self.macro('.It')
            self.flow(item)
        self.macro('.El')
