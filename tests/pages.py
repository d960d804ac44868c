"""pages.py GUIDE SOURCE [EDDY]: the pages of the guide (docs/pages) in the directory GUIDE, made of the tree
SOURCE: each link leads to something, each page is well formed, none is missing, and EDDY serves them. Then
the same of a small tree of its own, which changes."""
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}


class Page(html.parser.HTMLParser):
    """What a page has: its anchors and links, and what is wrong with it."""

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.links, self.wrong, self.text = [], set(), [], [], ''
        self.is_show = path.name == 'show.html'  # the page of eddy show, which is made by one
        self.steps = {}  # prev and next
        self.feed(path.read_text(encoding='utf-8'))
        self.close()
        if self.open:
            self.wrong.append(f'{self.open} not closed')

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if 'id' in values:
            if values['id'] in self.ids:
                self.wrong.append(f'{values["id"]} twice')
            self.ids.add(values['id'])
        if (tag == 'script' and not self.is_show) or any(name.startswith('on') for name in values):
            self.wrong.append('a script')
        if tag == 'a' and self.open.count('a') > 1:
            self.wrong.append('a link in a link')
        if tag == 'img' and not values.get('alt'):
            self.wrong.append('an image without words')
        if tag == 'a' and 'rel' in values:
            self.steps[values['rel']] = values['href']
        self.links += [values[name] for name in ('href', 'src') if name in values]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'</{tag}> at line {self.getpos()[0]}')

    def handle_data(self, data):
        self.text += data


def read(guide):
    return {path.relative_to(guide).as_posix(): Page(path) for path in sorted(guide.rglob('*.html'))}


def wrong_of(guide, pages):
    found = []
    for name, page in pages.items():
        found += [f'{name}: {wrong}' for wrong in page.wrong]
        for link in page.links:
            path, _, fragment = urllib.parse.unquote(link).partition('#')
            if re.match('(https?|data):', path):
                continue
            target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not (guide / target).is_file():
                found.append(f'{name}: {link}: no such file')
            elif fragment and (target not in pages or fragment not in pages[target].ids):
                found.append(f'{name}: {link}: no such anchor')
    return found


def reachable(pages):
    seen, todo = set(), ['index.html']
    while todo:
        name = todo.pop()
        if name in seen or name not in pages:
            continue
        seen.add(name)
        todo += [os.path.normpath(os.path.join(os.path.dirname(name), link.partition('#')[0]))
            for link in pages[name].links if ':' not in link and not link.startswith('#')]
    return seen


def make(source, out, *cmark):
    subprocess.run([sys.executable, SOURCE / 'docs/pages/pages.py', source, out, f'{out}.d', *cmark], check=True)


class Whole(unittest.TestCase):
    """The guide of this tree."""

    @classmethod
    def setUpClass(cls):
        cls.pages = read(GUIDE)

    def test_links_lead_somewhere_and_pages_are_well_formed(self):
        self.assertGreater(sum(len(page.links) for page in self.pages.values()), 10000)
        self.assertEqual(wrong_of(GUIDE, self.pages), [])

    def test_tidy_has_no_complaint(self):
        if not shutil.which('tidy'):
            self.skipTest('no tidy')
        run = subprocess.run(['tidy', '-q', '-e', '--warn-proprietary-attributes', 'no',  # of ARIA
            *(GUIDE / name for name in self.pages)], stderr=subprocess.PIPE, encoding='utf-8')
        self.assertEqual((run.stderr, run.returncode), ('', 0))

    def test_each_chapter_and_source_is_reached_from_the_index(self):
        there = reachable(self.pages)
        self.assertEqual(there, set(self.pages))
        for chapter in (SOURCE / 'docs').glob('*.md'):
            self.assertIn('index.html' if chapter.name == 'README.md' else chapter.stem + '.html', there)
        for tree in ('include', 'src', 'platform', 'docs/examples'):
            for path in (SOURCE / tree).rglob('*.[ch]'):
                self.assertIn(f'source/{path.relative_to(SOURCE).as_posix()}.html', there)

    def test_next_and_previous_lead_through_all_chapters(self):
        order = ['index.html']
        while 'next' in self.pages[order[-1]].steps:
            order.append(self.pages[order[-1]].steps['next'])
            self.assertEqual(self.pages[order[-1]].steps['prev'], order[-2])
        names = sorted(path.stem + '.html' for path in (SOURCE / 'docs').glob('*.md'))
        ends = {'README.html', 'CHANGELOG.html'}
        self.assertEqual(order, ['index.html', *(name for name in names if name not in ends), 'CHANGELOG.html'])

    def test_a_source_is_all_there(self):
        for name in ('src/core/io.c', 'include/eddy/loop.h', 'tests/lint.sh', 'tests/sim/meson.build'):
            text = (SOURCE / name).read_text(encoding='utf-8')
            page = self.pages[f'source/{name}.html']
            self.assertIn(text, page.text)
            self.assertIn(f'L{text.count(chr(10))}', page.ids)

    def test_a_name_leads_to_its_declaration(self):
        links = [it for it in self.pages['02-turn.html'].links if it.startswith('source/include/eddy/loop.h.html#L')]
        lines = (SOURCE / 'include/eddy/loop.h').read_text(encoding='utf-8').splitlines()
        self.assertTrue(any('eddy_loop_now_ns(' in lines[int(it.partition('#L')[2]) - 1] for it in links))

    def test_plots_show(self):
        self.assertIn('plots/backends.svg', self.pages['11-benchmarks.html'].links)

    def test_it_is_as_well_without_a_converter(self):
        with tempfile.TemporaryDirectory() as work:
            out = Path(work) / 'guide'
            make(SOURCE, out)
            chapters = {path.name: Page(path) for path in out.glob('*.html')}
            pages = {**self.pages, **chapters}  # those of sources are the same
            self.assertEqual({path.relative_to(out).as_posix() for path in out.rglob('*.html')}, set(pages))
            self.assertEqual(wrong_of(out, pages), [])
            self.assertEqual(reachable(pages), set(pages))
            text = (SOURCE / 'docs/02-turn.md').read_text(encoding='utf-8')
            self.assertIn(text, chapters['02-turn.html'].text)

    @unittest.skipUnless(len(sys.argv) > 3, 'no program')
    def test_eddy_serves_them(self):
        server = subprocess.Popen([EDDY, 'serve', '--port', '0', GUIDE], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding='utf-8')
        try:
            url = re.search(r'http://\S+/', server.stdout.readline())[0]
            for path, kind in (('', 'text/html'), ('02-turn.html', 'text/html'), ('source/src/', 'text/html'),
                ('source/src/core/io.c.html', 'text/html'), ('style.css', 'text/css'), ('plots/models.svg', 'image/svg+xml')):
                with urllib.request.urlopen(url + path, timeout=60) as answer:
                    self.assertEqual(answer.headers.get_content_type(), kind, path)
                    if kind.startswith('text/'):
                        self.assertEqual(answer.headers.get_content_charset(), 'utf-8', path)
                    name = path + 'index.html' if path.endswith('/') or not path else path
                    self.assertEqual(answer.read(), (GUIDE / name).read_bytes())
        finally:
            server.terminate()
            server.communicate()


class Small(unittest.TestCase):
    """A tree that changes."""

    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.tree, self.out = Path(work.name) / 'a tree', Path(work.name) / 'guide'
        self.put('docs/README.md', '# Small\n\n[one](01-one.md#what-is-a-b) [one.c](../src/one.c)\n')
        self.put('docs/01-one.md', '# 1. One\n\n## What is a `b`?\n\n## Twice\n\n## Twice\n\n[up](README.md)\n')
        self.put('docs/plots/p.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>')
        self.put('src/one.c', '/* one.c: the first. See two.c. */\n#include "two.h"\nint a = 1 < 2; /* & */\n')
        self.put('src/two.h', '/* two.h: the other */\n')
        style = 'src/cmd/serve/page_frame.c'
        self.put(style, (SOURCE / style).read_text(encoding='utf-8'))

    def put(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')

    def make(self):
        make(self.tree, self.out, *CMARK)
        pages = read(self.out)
        self.assertEqual(wrong_of(self.out, pages), [])
        return pages

    def test_links_are_those_of_pages(self):
        pages = self.make()
        self.assertIn('01-one.html#what-is-a-b', pages['index.html'].links)
        self.assertIn('source/src/one.c.html', pages['index.html'].links)
        self.assertLessEqual({'what-is-a-b', 'twice', 'twice-1'}, pages['01-one.html'].ids)
        self.assertIn('two.h.html', pages['source/src/one.c.html'].links)
        self.assertIn('../../index.html', pages['source/src/one.c.html'].links)
        self.assertIn('int a = 1 < 2; /* & */', pages['source/src/one.c.html'].text)
        self.assertIn('the first', pages['source/src/index.html'].text)

    def test_what_is_not_markdown_is_no_html(self):
        self.put('docs/01-one.md', '# One & <b>two</b>\n\n## What is a b\n\n<script>a()</script>\n\n    <script>\n')
        self.make()

    def test_a_link_to_nothing_is_found(self):
        self.put('docs/01-one.md', '# 1. One\n\n[up](nowhere.md)\n')
        with self.assertRaises(AssertionError):
            self.make()

    def test_a_change_makes_its_page_anew_and_no_other_source(self):
        self.make()
        one, two = (self.out / f'source/src/{name}.html' for name in ('one.c', 'two.h'))
        before = one.stat().st_mtime_ns, two.stat().st_mtime_ns
        time.sleep(0.02)  # a time stamp apart
        self.put('src/one.c', '/* one.c: changed. */\n')
        self.assertIn('changed', self.make()['source/src/one.c.html'].text)
        self.assertEqual(two.stat().st_mtime_ns, before[1])
        self.assertNotEqual(one.stat().st_mtime_ns, before[0])
        time.sleep(0.02)
        self.put('docs/01-one.md', '# 1. Another\n\n## What is a b\n\n[two](../src/two.h)\n')
        self.assertIn('Another', self.make()['source/src/two.h.html'].text)

    def test_what_is_gone_has_no_page(self):
        self.make()
        self.put('docs/README.md', '# Small\n')
        (self.tree / 'docs/01-one.md').unlink()
        (self.tree / 'src/two.h').unlink()
        self.assertTrue({'01-one.html', 'source/src/two.h.html'}.isdisjoint(self.make()))

    def test_ninja_is_told_what_was_read(self):
        self.make()
        read = Path(f'{self.out}.d').read_text(encoding='utf-8')
        for name in ('docs/01-one.md', 'src/one.c', 'src/cmd/serve/page_frame.c', 'docs/plots/p.svg'):
            self.assertIn(f'{self.tree}/{name}'.replace(' ', '\\ '), read)


GUIDE, SOURCE = Path(sys.argv[1]), Path(sys.argv[2])
EDDY = sys.argv[3] if len(sys.argv) > 3 else None
CMARK = [it for it in [shutil.which('cmark-gfm')] if it]
unittest.main(argv=sys.argv[:1])
