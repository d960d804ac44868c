"""show_page.py EDDY [--firefox | --picture FILE | --pictures DIRECTORY]: the page of `eddy show`, in Chromium: every
button does what it says, nothing complains, on a desktop and on a phone. Without Chromium, or without the command:
exit status 77.

--firefox: the same in Firefox, which takes a minute of a processor: only with EDDY_TEST_FULL=1, else 77.
--picture FILE: makes the picture for the README (docs/plots/show.png) instead, in a minute.
--pictures DIRECTORY: of the whole page in both browsers, light and dark, on a desktop and on a phone, for one's eyes."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import show_browser

PAGE = Path(__file__).parent.parent / 'src/cmd/show/page'
BLOCKED_MS = 400  # longer than another program on the machine keeps the loop from running
# The longest time for which the page has called the loop blocked since the last look.
WATCH = '''(() => { window.longest = 0; if (window.watcher) return; const line = document.getElementById("now-line");
    window.watcher = new MutationObserver(() => {
        const found = /Blocked for ([\\d.,]+) (ms|s)/.exec(line.textContent);
        if (found) window.longest = Math.max(window.longest, found[1].replace(",", "") * (found[2] === "s" ? 1000 : 1));
    });
    window.watcher.observe(line, {childList: true, characterData: true, subtree: true}); })()'''


class Server:
    """`eddy show`; without the command there is nothing to test."""

    def __init__(self, eddy, *options):
        self.process = subprocess.Popen([eddy, 'show', *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        told = ''
        for line in self.process.stdout:
            told += line
            found = re.search(r'http://[\w.:\[\]]+/', line)
            if found:
                self.url = found[0]
                return
        self.process.wait()
        sys.exit('eddy show does not start: ' + told)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
        return status


def of(name):
    return f'document.getElementById("{name}")'


def number(name):
    """The first figure of an element's text."""
    return f'Number((/[\\d,]+/.exec({of(name)}.textContent) || ["0"])[0].replaceAll(",", ""))'


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.eddy, '--port', '0')
        cls.addClassCleanup(cls.server.close)
        cls.browser = cls.start_browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.show()

    def tearDown(self):
        self.browser.do('0')  # what it has said by now
        complaints, self.browser.complaints = self.browser.complaints, []
        self.assertEqual(complaints, [])

    def show(self, **how):
        self.browser.show(self.server.url, **how)
        self.browser.until('document.querySelectorAll("#scene-list button").length >= 12')
        self.browser.until(f'{number("figures")} > 0')

    def click(self, name):
        self.browser.do(of(name) + '.click()')

    def choose(self, selector):
        self.browser.do(f'document.querySelector({selector!r}).click()')

    def set_load(self, clients, rate):
        self.browser.do(f'''{of("load-clients")}.value = {clients}; {of("load-rate")}.value = {rate};
            {of("load-open")}.checked = true; {of("load-form")}.requestSubmit()''')

    def scene(self, name, is_on):
        button = of('scene-' + name)
        if self.browser.do(f'{button}.getAttribute("aria-pressed")') != str(is_on).lower():
            self.browser.do(button + '.click()')
        self.browser.until(f'{button}.getAttribute("aria-pressed") === "{str(is_on).lower()}"')

    def longest_ms(self, name, seconds):
        """For how long the loop is blocked while a scene is on."""
        self.browser.do(WATCH)
        self.scene(name, True)
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.browser.do('window.longest') < BLOCKED_MS:
            time.sleep(0.05)
        self.scene(name, False)
        return self.browser.do('window.longest')

    def held_turn(self):
        return self.browser.do('(/[Tt]urn ([\\d,]+)/.exec(document.querySelector("#circle").textContent) || [])[1]')

    def test_a_blocked_loop_is_seen_and_the_pool_blocks_none(self):
        self.set_load(4, 200)
        self.browser.until('/[1-9].*\\/s/.test(document.getElementById("latency-now").textContent)')
        self.assertLess(self.longest_ms('compute-pool', 1.5), BLOCKED_MS)
        self.scene('sleep', True)
        self.browser.until(f'{of("now")}.className === "blocked" && {of("circle")}.getAttribute("class") === "blocked" && '
            f'/timer late([4-9]\\d\\d ms|[1-9][\\d.]* s)/.test({of("figures")}.textContent)')
        self.assertGreaterEqual(self.longest_ms('sleep', 4), BLOCKED_MS)
        self.browser.until(f'{of("now")}.className !== "blocked"')
        self.browser.until('/tall/.test(document.getElementById("log").textContent)')
        frames = 'document.querySelector("#log .bad details")'
        if self.browser.do(f'Boolean({frames})'):  # where there are backtraces
            self.browser.do(f'{frames}.open = true')
            self.browser.until(f'/sleep|nobody knows/.test({frames}.textContent)')
        self.click('load-stop')
        self.browser.until(f'{of("latency-now")}.textContent === "no load"')

    def test_every_scene_begins_and_ends(self):
        for name in self.browser.do('[...document.querySelectorAll("#scene-list button")].map(it => it.id.slice(6))'):
            with self.subTest(name):
                self.scene(name, True)
                if name == 'idle-clients':
                    self.browser.until(f'{number("fd-count")} > 500 || /idle/.test({of("log")}.textContent)')
                self.scene(name, False)

    def test_the_backend_and_the_pool_are_changed(self):
        for name in ('poll', 'select', 'epoll'):
            radio = f'input[name=backend][value={name}]'
            if not self.browser.do(f'Boolean(document.querySelector("{radio}"))'):
                continue
            self.choose(radio)
            self.browser.until(f'/{name}/.test([...document.querySelectorAll("[name=backend]:checked")].map(it => it.value))')
            self.browser.until(f'{number("figures")} > 0')
        self.browser.do(f'{of("pool-threads")}.value = 2; {of("pool-threads")}.dispatchEvent(new Event("change"))')
        self.browser.until(f'/of 2/.test({of("pool-count")}.textContent)')

    def test_slow_motion_steps_over_what_was_recorded(self):
        self.click('mode-slow')
        self.browser.until(f'/ of [1-9][\\d,]+$/.test({of("record-text")}.textContent)')
        self.browser.until('/does what|did/.test(document.getElementById("slow-why").textContent)')
        for shown in ('Play', 'Pause'):
            self.browser.key(' ')
            self.assertEqual(self.browser.do(of('slow-play') + '.textContent'), shown)
        self.browser.do('document.activeElement.blur()')
        self.browser.key(' ')
        self.assertEqual(self.browser.do(of('slow-play') + '.textContent'), 'Play')
        at = f'Number(/· ([\\d,]+) of/.exec({of("record-text")}.textContent)[1].replaceAll(",", ""))'
        self.choose('[data-step="-turn"]')
        before = self.browser.do(at)
        self.browser.key('ArrowRight')
        self.browser.key('ArrowRight')
        self.assertEqual(self.browser.do(at), before + 2)
        self.browser.key('ArrowLeft')
        self.assertEqual(self.browser.do(at), before + 1)
        self.browser.key('ArrowRight', shift=True)
        self.assertRegex(self.browser.do(of('record-text') + '.textContent'), '^Turn ')
        for _ in range(8):  # some call was asked for by something
            self.choose('[data-step="+call"]')
            if self.browser.do('document.querySelectorAll("#chain li").length') > 1:
                break
        self.assertGreater(self.browser.do('document.querySelectorAll("#chain li").length'), 1)
        self.click('mode-live')
        self.assertTrue(self.browser.do(of('slow') + '.hidden'))

    def test_the_held_loop_stands_still(self):
        self.click('mode-held')
        self.browser.until(f'{of("now")}.className === "held"')
        self.browser.until('document.querySelectorAll("#tape circle").length > 1')
        time.sleep(0.3)  # what was recorded before it was held has been told by then
        before = self.held_turn()
        self.choose('[data-held=turn]')
        self.browser.until(f'(/[Tt]urn ([\\d,]+)/.exec(document.querySelector("#circle").textContent) || [])[1] !== "{before}"')
        first = self.held_turn()
        time.sleep(0.3)  # it does not go on by itself
        self.assertEqual(self.held_turn(), first)
        self.choose('[data-held=turn]')
        self.browser.until(f'(/[Tt]urn ([\\d,]+)/.exec(document.querySelector("#circle").textContent) || [])[1] !== "{first}"')
        records = self.browser.do('document.querySelectorAll("#tape circle").length')
        self.choose('[data-held=call]')
        self.browser.until(f'document.querySelectorAll("#tape circle").length !== {records} || document.querySelectorAll("#tape circle").length > 24')
        self.click('held-go')
        self.browser.until(f'{of("now")}.className !== "held"')
        self.browser.until(f'{number("figures")} > 0')

    def test_the_models_run(self):
        self.browser.do(f'{of("models-clients")}.value = 4')
        self.click('models-start')
        self.browser.until('/[1-9]/.test(document.querySelector("#model-grid dl").textContent)', 60)
        points = 'document.querySelector("#model-grid .curve").getAttribute("d").split("L").length'
        first = self.browser.do(points)
        self.browser.until(f'{points} > {first}')  # it draws as it goes
        self.click('models-stop')
        self.browser.until(of('models-stop') + '.disabled')

    def test_the_ruler_zooms(self):
        self.click('costs-measure')
        self.browser.until('document.querySelectorAll("#cost-list li").length > 5', 60)
        ticks = '[...document.querySelectorAll("#ruler .tick")].map(it => it.textContent).join()'
        whole = self.browser.do(ticks)
        self.browser.do(of('ruler') + '.focus()')
        self.browser.key('+')
        near = self.browser.do(ticks)
        self.assertNotEqual(near, whole)
        self.browser.key('ArrowRight')
        self.assertNotEqual(self.browser.do(ticks), near)
        self.click('costs-all')
        self.assertEqual(self.browser.do(ticks), whole)
        self.choose('#cost-list li:nth-child(2) button')
        self.assertIn('compared', self.browser.do('document.querySelector("#cost-list li:nth-child(2)").textContent'))

    def test_the_way_of_a_request_is_told(self):
        self.set_load(2, 50)
        self.browser.until('/[1-9].*\\/s/.test(document.getElementById("latency-now").textContent)')
        self.click('way-get')
        self.browser.until('document.querySelectorAll("#way-rows tr").length > 3')
        self.assertIn('.c:', self.browser.do(of('way-rows') + '.textContent'))
        self.click('load-stop')

    def test_keys_reach_everything_and_it_fits(self):
        self.browser.do('document.body.focus()')
        for _ in range(12):
            self.browser.key('Tab')
            self.assertTrue(self.browser.do('document.activeElement !== document.body && '
                '(document.activeElement.matches(".phase") || getComputedStyle(document.activeElement).outlineStyle !== "none")'))
        self.browser.do('document.querySelectorAll("#circle [role=button]")[3].focus()')
        self.assertRegex(self.browser.do(of('phase-text') + '.textContent'), '^4 timers')
        self.assertEqual(self.browser.do('''[...document.querySelectorAll("button, input, select")]
            .filter(it => it.tabIndex < 0 || !(it.textContent.trim() || it.ariaLabel || it.closest("label") || it.title)).length'''), 0)
        for width, dark in ((1280, True), (768, False), (360, True)):
            self.show(width=width, height=800, dark=dark, calm=dark)
            self.assertEqual(self.browser.do('document.documentElement.scrollWidth'), width)
        small = self.browser.do('''[...document.querySelectorAll("button, input[type=number]")].filter(it => it.offsetParent)
            .filter(it => it.getBoundingClientRect().height < 44).map(it => it.id || it.textContent)''')
        self.assertEqual(small, [])

    def test_a_recorded_session_is_a_page_of_its_own(self):
        with tempfile.TemporaryDirectory() as directory:
            kept, page = Path(directory, 'kept'), Path(directory, 'page.html')
            kept.write_text(self.browser.do('fetch("/record").then(it => it.text())'), encoding='utf-8')
            subprocess.run([sys.executable, PAGE / 'embed.py', '--recorded', kept, PAGE / 'page.html', page], check=True)
            self.browser.show(page.as_uri())
            self.browser.until(f'/recorded/.test({of("connection")}.textContent) && !{of("player")}.hidden')
            at = of('player-at') + '.value'
            before = self.browser.do(at)
            self.browser.until(f'{at} !== "{before}"')
            self.assertTrue(self.browser.do(of('scene-sleep') + '.disabled'))

    def test_it_comes_back_when_the_server_does(self):
        port = re.search(r':(\d+)/', self.server.url)[1]
        self.assertEqual(self.server.close(), 0)
        self.browser.until(of('connection') + '.className === "down"')
        type(self).server = Server(self.eddy, '--port', port)
        self.addClassCleanup(self.server.close)
        self.browser.until(of('connection') + '.className === "up"', 60)
        self.browser.do('0')
        others = [it for it in self.browser.complaints if 'ERR_' not in it or '/events' not in it]
        self.browser.complaints = others  # the browser itself tells of a server that is not there


def picture(eddy, chromium, path):
    server = Server(eddy, '--port', '0')
    browser = show_browser.Browser(chromium)
    try:
        browser.show(server.url, height=890)
        browser.until('document.querySelectorAll("#scene-list button").length >= 12')
        browser.do(f'''{of("load-clients")}.value = 50; {of("load-rate")}.value = 2000; {of("load-open")}.checked = true;
            {of("load-form")}.requestSubmit()''')
        for seconds, name in ((12, 'compute-pool'), (10, 'compute-pool'), (4, 'sleep'), (5, 'sleep'), (10, 'compute'), (4, 'compute'), (6, 'sleep')):
            time.sleep(seconds)
            browser.do(of('scene-' + name) + '.click()')
        browser.until('/Blocked for [5-9]\\d\\d ms/.test(document.getElementById("now-line").textContent)', 60)
        browser.picture(path)
    finally:
        browser.close()
        server.close()


def pictures(eddy, directory):
    """One server, so that all show the same run of the models, a stall with its frames, and the costs."""
    server = Server(eddy, '--port', '0')
    browsers = [('chromium', False, show_browser.find(), show_browser.Browser)]
    browsers += [('firefox', dark, show_browser.find(show_browser.FIREFOX), show_browser.Firefox) for dark in (False, True)]
    try:
        for name, dark, program, kind in browsers:
            if program is None:
                continue
            browser = kind(program, **({'dark': dark} if name == 'firefox' else {}))
            try:
                for_all(browser, server, Path(directory), name, (False, True) if name == 'chromium' else (dark,))
            finally:
                browser.close()
    finally:
        server.close()


def for_all(browser, server, directory, name, darks):
    browser.show(server.url)
    browser.until('document.querySelectorAll("#scene-list button").length >= 12')
    browser.do(of('costs-measure') + '.click()')
    browser.do(of('models-form') + '.requestSubmit()')
    browser.until(f'!{of("models-stop")}.disabled')
    browser.do(of('scene-sleep') + '.click()')
    browser.until('document.querySelectorAll("#log .frames").length > 0')
    browser.do('document.querySelector("#log details").open = true')
    browser.until('document.querySelectorAll("#log .frames li").length > 0')
    browser.do(of('scene-sleep') + '.click()')
    browser.until(f'{of("models-stop")}.disabled', 200)
    browser.until('document.querySelectorAll("#cost-list li").length > 5', 60)
    browser.do(of('way-get') + '.click()')
    for dark in darks:
        for width in (1280, 390):
            browser.show(None, width=width, dark=dark)
            time.sleep(2)  # the charts are drawn anew
            browser.picture(directory / f'{name}-{"dark" if dark else "light"}-{width}.png', whole=True)
    if browser.complaints:
        sys.exit(f'{name}: {browser.complaints}')


def main():
    options = {1: (), 2: ('--firefox',), 3: ('--picture', '--pictures')}
    if len(sys.argv[1:]) not in options or (len(sys.argv) > 2 and sys.argv[2] not in options[len(sys.argv[1:])]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    is_firefox = sys.argv[2:] == ['--firefox']
    if is_firefox and os.environ.get('EDDY_TEST_FULL') != '1':
        print('takes a minute: only with EDDY_TEST_FULL=1')
        sys.exit(77)
    program = show_browser.find(show_browser.FIREFOX if is_firefox else show_browser.NAMES)
    if program is None:
        print('there is no such browser')
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended'))  # what was started is ended on the way out
    if subprocess.run([sys.argv[1], 'show', '--help'], capture_output=True, check=False).returncode != 0:
        print('this program has no command show')
        sys.exit(77)
    if sys.argv[2:3] == ['--picture']:
        return picture(sys.argv[1], program, sys.argv[3])
    if sys.argv[2:3] == ['--pictures']:
        return pictures(sys.argv[1], sys.argv[3])
    Page.eddy = sys.argv[1]
    Page.start_browser = staticmethod(lambda: (show_browser.Firefox if is_firefox else show_browser.Browser)(program))
    unittest.main(argv=sys.argv[:1])


if __name__ == '__main__':
    main()
