"""highlight.py: code as HTML, in which what the eye looks for has a class: c a comment, s a string or a
number, k a word of the language, p a line of the preprocessor or a prompt, n a name.

A language is one regular expression of such groups. What none of them matches is left as it is: this
is not a parser, and code that it takes wrong is still all there."""
import html
import re

C_WORDS = '''auto bool break case char const continue default do double else enum extern false float for goto
    if inline int long register restrict return short signed sizeof static struct switch true typedef union
    unsigned void volatile while NULL _Alignas _Atomic _Bool _Noreturn _Static_assert _Thread_local
    u?int(?:8|16|32|64|ptr)_t s?size_t ptrdiff_t'''.split()
SHELL_WORDS = '''if then elif else fi for while until do done case esac in function return exit exec local export
    set'''.split()
SCRIPT_WORDS = '''and break class continue def elif else endforeach endif except for foreach from if import in is
    lambda not or return try while with yield true false None True False'''.split()

NUMBER = r'\b(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)[uUlLfF]*\b'
QUOTED = r'"(?:\\.|[^"\\\n])*"'


def words(names):
    return r'(?<![\w.-])(?:' + '|'.join(names) + r')(?![\w-])'


LANGUAGES = {
    'c': re.compile(
        r'(?P<c>/\*.*?\*/|//[^\n]*)'
        r'|(?P<p>^[ \t]*\#[ \t]*\w+)(?P<include>[ \t]*(?:<[^>\n]+>|"[^"\n]+"))?'
        rf"|(?P<s>{QUOTED}|'(?:\\.|[^'\\\n])+'|{NUMBER})"
        rf'|(?P<k>{words(C_WORDS)})|(?P<n>\b(?:eddy|EDDY)_\w+)', re.S | re.M),
    'sh': re.compile(
        r'(?P<c>(?<![^\s;(])\#[^\n]*)'
        r'|(?P<p>^\$(?= ))'
        rf'''|(?P<s>"(?:\\.|[^"\\])*"|'[^']*')'''
        rf'|(?P<k>{words(SHELL_WORDS)})|(?P<n>\$(?:\w+|[@#?*!$-]|\{{[^}}\n]*\}}))', re.S | re.M),
    'script': re.compile(  # Meson and Python
        r'(?P<c>\#[^\n]*)'
        rf"""|(?P<s>'''.*?'''|\"\"\".*?\"\"\"|{QUOTED}|'(?:\\.|[^'\\\n])*'|{NUMBER})"""
        rf'|(?P<k>{words(SCRIPT_WORDS)})', re.S | re.M),
}
NAMES = {'.c': 'c', '.h': 'c', '.cpp': 'c', '.in': 'c', '.sh': 'sh', '.py': 'script', 'meson.build': 'script',
    'sh': 'sh', 'console': 'sh', 'meson': 'script'}
COMMAND = re.compile(r'(?:[A-Z_]+=\S+ )*(?:\$|\./|build|tests/|(?:apt-get|cc|cmake|curl|meson|ninja|python3|strace) )')


def language_of(text):
    """That of a block which does not say it, or None: a trace, a table, a drawing."""
    if COMMAND.match(text):
        return 'sh'
    lines = [line for line in re.sub(r'/\*.*?\*/', '', text, flags=re.S).splitlines() if line.strip()]
    ends = sum(line.rstrip().endswith((';', '{', '}', ',')) for line in lines)
    return 'c' if '/*' in text and ends == len(lines) or lines and ends * 2 > len(lines) else None


def highlight(text, language, name=None, include=None, comment=None):
    """`name`, `include` and `comment` make HTML of what they are for, links for example."""
    def token(match):
        kind = match.lastgroup
        if kind == 'include':  # it ends a match of p
            return f'<span class="p">{html.escape(match["p"])}</span>' + (include or html.escape)(match['include'])
        inner = {'c': comment, 'n': name}.get(kind) or html.escape
        return f'<span class="{kind}">{inner(match[0])}</span>'

    parts, end = [], 0
    pattern = LANGUAGES.get(NAMES.get(language, language))
    for match in pattern.finditer(text) if pattern else []:
        parts += [html.escape(text[end:match.start()]), token(match)]
        end = match.end()
    return ''.join(parts) + html.escape(text[end:])
