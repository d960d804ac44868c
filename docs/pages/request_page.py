"""request_page.py: what request.py has seen of one request, as HTML for docs/22-request.md: a table for each of
its steps, with the lines of source quoted from the tree that the page is made of."""
import html
import json
from pathlib import Path

from highlight import highlight
from request_lines import STEPS, find_lines

escape = html.escape


class Request:
    def __init__(self, root, path):
        self.root = root
        self.seen = json.loads(Path(path).read_text(encoding='utf-8')) if path else {'why': 'nothing was run'}
        rows = [row for rows in self.seen.get('steps', {}).values() for row in rows]
        self.numbers = {row['number'] for row in rows if row.get('number')}
        self.has_rows = bool(rows)

    def step(self, name):
        """One step, or what is known of it without a run; "why": what is missing, and what it took in all."""
        if name == 'why':
            return self.summary()
        if not self.has_rows:
            lines = find_lines(self.root)
            rows = ''.join(f'<tr>{self.source(lines[it])}</tr>\n' for it in STEPS[name])
            return self.table('<th>source</th>', rows)
        rows = self.seen['steps'][name]
        if not rows:
            return '<p>Not in this run: the file was in the page cache.</p>'
        return self.table('<th>us</th><th>system call</th><th>record</th><th>source</th>', ''.join(map(self.row, rows)))

    def summary(self):
        text = f'(Here: {self.seen["why"]}.) ' if self.seen['why'] else ''
        if self.has_rows:
            text += f'In the run of this page it took {self.seen["answered_us"]:,.0f} us from the event of the ' \
                'connection until the answer was written.'
        return f'<p>{escape(text, quote=False)}</p>'

    @staticmethod
    def table(head, rows):
        return f'<div class="wide"><table class="request">\n<tr class="head">{head}</tr>\n{rows}</table></div>\n'

    def row(self, row):
        time_us = '' if row['us'] is None else f'{row["us"]:,.1f}'
        where = f'<br>{escape(row["thread"])}' if row['thread'] != 'loop' else ''
        cells = self.call(row) + self.record(row) + self.source(row['line'])
        return f'<tr><td class="us">{time_us}{where}</td>{cells}</tr>\n'

    def call(self, row):
        if 'call' not in row:
            return '<td></td>'
        frames = ' › '.join(f'<a href="{self.link(path, line)}">{escape(function)}</a>'
            for function, path, line in reversed(row.get('frames', [])))
        stack = f'<details><summary>stack</summary>{frames}</details>' if frames else ''
        return f'<td><code>{escape(row["call"], quote=False)}</code>{stack}</td>'

    def record(self, row):
        if 'kind' not in row:
            return '<td></td>'
        cause, number = row['cause'], row['number']
        link = f'<a href="#record-{cause}">{cause}</a>' if cause in self.numbers else str(cause)
        cause = f' ← {link}' if cause else ''
        number = f'<span class="number" id="record-{number}">{number}{cause}</span>' if number else ''
        return f'<td><code>{escape((row["kind"] + " " + row["rest"]).strip())}</code>{number}</td>'

    def source(self, line):
        if not line:
            return '<td></td>'
        path, number, function, text = line
        return f'<td><a href="{self.link(path, number)}">{escape(path)}:{number}</a> <span class="number">' \
            f'{escape(function)}</span><code>{highlight(text, "c")}</code></td>'

    @staticmethod
    def link(path, number):
        return f'source/{path}.html#L{number}'
