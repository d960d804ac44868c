"""pages.py SOURCE OUT DEPFILE [CMARK [REQUEST]]: makes HTML of the guide in SOURCE/docs, in the directory OUT.

    index.html, 02-turn.html …     docs/README.md, docs/02-turn.md …
    source/src/core/io.c.html …    what the chapters lead to: each source with its lines numbered, and
    source/src/core/index.html …   each directory with what its files are for
    show.html                      a session of `eddy show`, recorded

CMARK is cmark-gfm; without it, or with "", a chapter is its Markdown, with the same links. REQUEST is what
request.py has seen: a block of the language `request` shows one of its steps, line by line. DEPFILE tells ninja what
was read. A page of a source that is newer than what it was made from is left as it is."""
import html
import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # a build leaves the sources as they are
from highlight import highlight, language_of
from request_page import Request

TREES = {'include': 'the public headers, which are the reference', 'src': 'the library, and the program on it',
    'platform': 'the backends, and all else that is asked of the system', 'tests': '', 'docs/examples': '',
    'docs/man': '', 'docs/pages': ''}
ENDINGS = ('.c', '.h', '.cpp', '.in', '.sh', '.py', '.txt', '.config', 'meson.build')
STYLE = 'src/cmd/serve/page_frame.c'
RECORDED = 'docs/show.jsonl'  # a session of `eddy show`, which is a page without a server here
SHOW = 'src/cmd/show/page'
escape = html.escape


def order(path):
    """README, the numbered chapters, the others, CHANGELOG."""
    return path.name != 'README.md', path.name == 'CHANGELOG.md', not path.name[0].isdigit(), path.name


def anchor_of(title):
    """What links call a heading: as GitHub does, and tests/lint_docs.sh."""
    return re.sub(r'[^a-z0-9 _-]', '', title.lower()).replace(' ', '-')


def relative(target, page):
    """The link from one page to another; its fragment stays."""
    path, mark, fragment = target.partition('#')
    return escape(posixpath.relpath(path, posixpath.dirname(page)) + mark + fragment)


class Guide:
    def __init__(self, root, out, cmark, request):
        self.root, self.out, self.cmark = root, out, cmark
        self.request = Request(root, request)
        self.chapters = sorted((root / 'docs').glob('*.md'), key=order)
        self.sources, self.directories = [], {'': set()}
        for tree in TREES:
            for path in sorted((root / tree).rglob('*')):
                name = path.relative_to(root).as_posix()
                if name.endswith(ENDINGS) and path.is_file() and '/corpus/' not in name:
                    self.add_source(name)
        self.headers = [path for path in self.sources if path.startswith('include/')]
        here = Path(__file__).parent
        self.read = [*(here / name for name in ('pages.py', 'highlight.py', 'request_page.py', 'style.css')),
            root / STYLE, *self.chapters,
            *(root / path for path in self.headers)]
        self.declared = self.find_declared()
        self.mentioned = {}  # path of a source: the chapters that link to it
        self.written = set()

    def add_source(self, path):
        self.sources.append(path)
        while path:
            parent = posixpath.dirname(path)
            self.directories.setdefault(parent, set()).add(path)
            path = parent

    def find_declared(self):
        """Where the headers declare each public name: the first place, but a struct's where its members are."""
        pattern = re.compile(r'(?:typedef )?struct (eddy_\w+) \{|(?:EDDY_API|typedef) (?!struct).*?(eddy_\w+)\('
            r'|#define ((?:eddy|EDDY)_\w+)|    (EDDY_\w+)(?: =|,)')
        found = {}
        for path in self.headers:
            for number, line in enumerate(self.text_of(path).splitlines(), 1):
                match = pattern.match(line)
                if match:
                    found.setdefault(match[match.lastindex], f'source/{path}.html#L{number}')
        return found

    def text_of(self, path):
        return (self.root / path).read_text(encoding='utf-8')

    # --- Where links lead ---

    def page_of(self, path):
        """The page for a path below SOURCE, or None."""
        if path == 'docs/README.md':
            return 'index.html'
        if re.fullmatch(r'docs/[^/]+\.md', path):
            return path[5:-3] + '.html'
        if path in self.sources:
            return f'source/{path}.html'
        if path in self.directories:
            return posixpath.join('source', path, 'index.html')
        if re.fullmatch(r'docs/plots/[^/]+', path):
            return path[5:]
        if path == RECORDED:
            return 'show.html'
        return None

    def link_of(self, href, chapter):
        """The href of a chapter's page for one of its Markdown."""
        if re.match(r'[a-z]+:|#', href):
            return href
        path, mark, fragment = html.unescape(href).partition('#')
        path = posixpath.normpath(posixpath.join('docs', path))
        if path in self.sources or path in self.directories:
            self.mentioned.setdefault(path, {})[chapter] = True
        page = self.page_of(path)
        return relative(page + mark + fragment, self.page_of(f'docs/{chapter.name}')) if page else href

    def name_link(self, page):
        """Makes a link of a public name to where it is declared."""
        def link(name):
            target = self.declared.get(name)
            return f'<a href="{relative(target, page)}">{name}</a>' if target else escape(name)
        return link

    # --- Chapters ---

    def convert(self, chapter):
        """The chapter as HTML, and its headings: [(level, anchor, title in HTML)]."""
        headings, seen = [], {}

        def heading(level, title):
            anchor = anchor_of(html.unescape(re.sub(r'<[^>]*>', '', title)))
            seen[anchor] = seen.get(anchor, -1) + 1
            anchor += f'-{seen[anchor]}' if seen[anchor] else ''
            headings.append((int(level), anchor, re.sub(r'</?a\b[^>]*>', '', title)))
            return f'<h{level} id="{anchor}">{title}</h{level}>'

        text = chapter.read_text(encoding='utf-8')
        return (self.as_html if self.cmark else self.as_markdown)(text, chapter, heading), headings

    def as_html(self, text, chapter, heading):
        name = self.name_link(self.page_of(f'docs/{chapter.name}'))

        def block(match):
            code = html.unescape(match[2])
            drawing = ' class="drawing"' if re.search('[\u2500-\u257f]', code) else ''
            return f'<pre{drawing}><code>{highlight(code, match[1] or language_of(code), name)}</code></pre>'

        def picture(match):
            link = self.link_of(match[1], chapter)
            return f'<a href="{link}"><img src="{link}"{match[2]}></a>'

        run = subprocess.run([self.cmark, '-e', 'table', '--table-prefer-style-attributes'], input=text,
            encoding='utf-8', stdout=subprocess.PIPE, check=True)
        text = re.sub(r'<h([1-6])>(.*?)</h\1>', lambda it: heading(it[1], it[2]), run.stdout, flags=re.S)
        text = re.sub(r'<a href="([^"]*)"', lambda it: f'<a href="{self.link_of(it[1], chapter)}"', text)
        text = re.sub(r'<img src="([^"]*)"([^>]*)>', picture, text)
        # A name between backticks leads to its declaration, unless it is in a link already.
        text = re.sub(r'(<a\b.*?</a>|<pre>.*?</pre>)|<code>((?:eddy|EDDY)_\w+)(\(\))?</code>', lambda it:
            it[1] or f'<code>{name(it[2])}{it[3] or ""}</code>', text, flags=re.S)
        text = text.replace('<table>', '<div class="wide"><table>').replace('</table>', '</table></div>')
        text = re.sub(r'<pre><code class="language-request">(.*?)</code></pre>', lambda it:
            self.request.step(it[1].strip()), text, flags=re.S)
        return re.sub(r'<pre><code(?: class="language-(\w+)")?>(.*?)</code></pre>', block, text, flags=re.S)

    def as_markdown(self, text, chapter, heading):
        text = re.sub(r'(?<=\]\()[^()\s]+(?=\))', lambda it:
            f'<a href="{self.link_of(it[0], chapter)}">{it[0]}</a>', escape(text, quote=False))
        text = re.sub(r'^```(?:.|\n)*?^```$|^(#+ )(.*)$', lambda it:
            it[1] + heading(len(it[1]) - 1, it[2]) if it[1] else it[0], text, flags=re.M)
        return f'<div class="markdown">{text}</div>\n'

    def contents(self, page, made):
        """All chapters, and the sections of the one that is shown."""
        items = ''
        for other, _, headings in made:
            here, inner = '', ''
            if other == page:
                here = ' aria-current="page"'
                inner = ''.join(f'<li><a href="#{anchor}">{title}</a></li>\n'
                    for level, anchor, title in headings if level == 2)
                inner = f'\n<ul>\n{inner}</ul>\n' if inner else ''
            items += f'<li><a href="{other}"{here}>{headings[0][2]}</a>{inner}</li>\n'
        return f'<nav id="contents" aria-label="Contents"><ul>\n{items}</ul></nav>\n'

    def write_chapters(self):
        made = [(self.page_of(f'docs/{chapter.name}'), *self.convert(chapter)) for chapter in self.chapters]
        titles = [headings[0][2] for _, _, headings in made]
        self.titles = dict(zip(self.chapters, titles))
        for i, (page, body, _) in enumerate(made):
            steps = f'<a href="{made[i - 1][0]}" rel="prev">← {titles[i - 1]}</a>' if i > 0 else ''
            steps += f'<a href="{made[i + 1][0]}" rel="next">{titles[i + 1]} →</a>' if i + 1 < len(made) else ''
            self.write(page, titles[i], 'chapter',
                '<nav class="top"><a href="index.html">eddy</a><a class="down" href="#contents">Contents</a>'
                '<a href="source/index.html">Sources</a></nav>\n'
                f'<main>\n{body}<nav class="steps">{steps}</nav>\n</main>\n{self.contents(page, made)}')

    # --- Sources ---

    def crumbs(self, path, page):
        """eddy / src / core / io.c, each a link but the last."""
        parts = [('', 'eddy')] if path else []
        above = path.split('/')[:-1]
        parts += [('/'.join(above[:i + 1]), name) for i, name in enumerate(above)]
        links = ''.join(f'<a href="{relative(self.page_of(it), page)}">{escape(name)}</a><i>/</i>'
            for it, name in parts)
        return f'<nav class="top"><a href="{relative("index.html", page)}">The guide</a></nav>\n' \
            f'<nav class="crumbs"><h1>{links}{escape(posixpath.basename(path)) or "eddy"}</h1></nav>\n'

    def chapters_that_mention(self, path, page):
        links = [f'<a href="{relative(self.page_of(f"docs/{it.name}"), page)}">{self.titles[it]}</a>'
            for it in self.mentioned.get(path, ())]
        return f'<p class="beside">In the guide: {", ".join(links)}</p>\n' if links else ''

    def include_link(self, path, page):
        def link(text):
            name = text.strip()[1:-1]
            folders = ['include'] if '<' in text else [posixpath.dirname(path), 'include']
            found = [it for it in (posixpath.normpath(posixpath.join(folder, name)) for folder in folders)
                if it in self.sources]
            if not found and '"' in text:  # no two files of src and platform share a name; some of tests do
                same = [it for it in self.sources if it.endswith('/' + name)]
                found = [it for it in same if not it.startswith('tests/')] or same[:len(same) == 1]
            shown = escape(text.strip())
            return f' <a href="{relative(self.page_of(found[0]), page)}">{shown}</a>' if found else f' {shown}'
        return link

    def comment_link(self, page):
        """Makes links of the paths in a comment."""
        def link(match):
            target = self.page_of(match[0])
            there = target and (match[0] in self.sources or (self.root / match[0]).is_file())
            return f'<a href="{relative(target, page)}">{match[0]}</a>' if there else match[0]
        pattern = re.compile(r'\b(?:docs|include|src|platform|tests)/[\w/.-]+\.(?:md|h|c|sh)\b')
        return lambda text: pattern.sub(link, escape(text))

    def write_source(self, path, newest):
        page, source = self.page_of(path), self.root / path
        self.read.append(source)
        made = self.out / page
        if made.is_file() and made.stat().st_mtime > max(newest, source.stat().st_mtime):
            self.written.add(page)
            return
        language = 'meson.build' if path.endswith('meson.build') else posixpath.splitext(path)[1]
        code = highlight(self.text_of(path), language, self.name_link(page), self.include_link(path, page),
            self.comment_link(page))
        lines = ''.join(f'<a id="L{number}" href="#L{number}"></a>{line}\n'
            for number, line in enumerate(code.rstrip('\n').split('\n'), 1))
        self.write(page, path, 'source', f'{self.crumbs(path, page)}<main>\n{self.chapters_that_mention(path, page)}'
            f'<pre><code>{lines}</code></pre>\n</main>\n')

    def purpose(self, path):
        """What the first comment says of a file, up to the first full stop."""
        match = re.match(r'(?:#!.*\n)?(?:/\*|"""|#) ?(.*?)(?:\*/|"""|\n\n|\n#? ?\w+\(|\n#include|\Z)',
            self.text_of(path), re.S)
        text = re.sub(r'\s*\n[ *#]*', ' ', match[1]).strip() if match else ''
        text = re.sub(rf'^{re.escape(posixpath.basename(path))}\b[^:.]*: ', '', text)
        return re.split(r'(?<=[^.])\.(?:\s|$)', text)[0]

    def write_directory(self, path):
        page = self.page_of(path)
        rows = ''
        for entry in sorted(self.directories[path], key=lambda it: (it in self.sources, it)):
            name = posixpath.basename(entry) + ('' if entry in self.sources else '/')
            what = escape(self.purpose(entry) if entry in self.sources else TREES.get(entry, ''))
            link = f'<a href="{relative(self.page_of(entry), page)}">{escape(name)}</a>'
            rows += f'<tr><td>{link}</td><td>{what}</td></tr>\n'
        self.write(page, path or 'Sources', 'source', f'{self.crumbs(path, page)}<main>\n'
            f'{self.chapters_that_mention(path, page)}<table class="files">\n{rows}</table>\n</main>\n')

    # --- Files ---

    def write(self, page, title, kind, body):
        style = relative('style.css', page)
        self.put(page, '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
            f'<title>{re.sub("<[^>]*>", "", title)} - eddy</title>\n<link rel="icon" href="data:,">\n'
            f'<link rel="stylesheet" href="{style}">\n</head>\n<body class="{kind}">\n{body}</body>\n</html>\n')

    def put(self, page, text):
        self.written.add(page)
        (self.out / page).parent.mkdir(parents=True, exist_ok=True)
        part = self.out / (page + '.part')  # whole or not at all: its time says whether it is made again
        part.write_bytes(text if isinstance(text, bytes) else text.encode())
        part.replace(self.out / page)

    def write_recorded(self):
        made, embed = self.out / 'show.html', self.root / SHOW / 'embed.py'
        subprocess.run([sys.executable, embed, '--recorded', self.root / RECORDED, '--guide', './',
            self.root / SHOW / 'page.html', made], check=True)
        self.written.add('show.html')
        self.read += [self.root / RECORDED, *(it for it in (self.root / SHOW).iterdir() if it.is_file())]

    def write_style(self):
        """That of eddy serve's own pages, and what a guide has beside it."""
        frame = self.text_of(STYLE)
        literals = re.findall(r'"((?:\\.|[^"\\])*)"', re.search(r'char style\[\] =(.*?);\n\n', frame, re.S)[1])
        base = ''.join(literals).replace('\\n', '\n').replace('\\"', '"')
        self.put('style.css', base + (Path(__file__).parent / 'style.css').read_text(encoding='utf-8'))

    def make(self):
        self.out.mkdir(exist_ok=True)
        self.write_style()
        self.write_chapters()
        newest = max(it.stat().st_mtime for it in self.read)
        for path in self.sources:
            self.write_source(path, newest)
        for path in self.directories:
            self.write_directory(path)
        for plot in (self.root / 'docs/plots').iterdir():
            self.put('plots/' + plot.name, plot.read_bytes())
            self.read.append(plot)
        if (self.root / RECORDED).is_file():
            self.write_recorded()
        for path in self.out.rglob('*'):  # of a source that is no more
            if path.is_file() and path.relative_to(self.out).as_posix() not in self.written:
                path.unlink()
        os.utime(self.out)  # ninja looks at the directory


def main(root, out, depfile, cmark='', request=''):
    guide = Guide(Path(root), Path(out), cmark, request)
    guide.make()
    read = ' '.join(str(path).replace(' ', '\\ ') for path in guide.read)
    Path(depfile).write_text(f'{out}: {read}\n', encoding='utf-8')


main(*sys.argv[1:])
