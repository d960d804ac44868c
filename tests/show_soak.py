"""show_soak.py EDDY [MINUTES]: the page of `eddy show` for ten minutes in Chromium, with load, slow motion and a
callback that sleeps now and then, beside 20 visitors that read and 20 that do not: neither the page's heap (after
its garbage was collected) nor the program's memory grows from the middle to the end. Only with EDDY_TEST_FULL=1,
else, and without Chromium: exit status 77."""
import os
import select
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
import show_browser
from show_page import Server, of

VISITORS = 20
LOOK_S = 10
MIB = 1 << 20


class Crowd(threading.Thread):
    """Visitors that read all, and visitors that read nothing, which come again when they are closed."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.silent, self.is_over = port, [], threading.Event()
        self.readers = [self.visit() for _ in range(VISITORS)]
        self.bytes = self.comebacks = 0

    def visit(self, room=None):
        visitor = socket.socket()
        if room:
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        visitor.connect(('127.0.0.1', self.port))
        visitor.sendall(b'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
        return visitor

    def run(self):
        since = 0
        while not self.is_over.is_set():
            if time.monotonic() - since > 15:  # one that does not read is closed after 10 s
                for visitor in self.silent:
                    visitor.close()
                self.silent = [self.visit(4096) for _ in range(VISITORS)]
                self.comebacks += 1
                since = time.monotonic()
            for ready in select.select(self.readers, [], [], 0.5)[0]:
                data = ready.recv(1 << 16)
                if not data:
                    raise OSError('a visitor that reads was closed')
                self.bytes += len(data)
        for visitor in self.readers + self.silent:
            visitor.close()


def rss(process):
    with open(f'/proc/{process.pid}/status', encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmRSS')) * 1024


def heap(browser):
    browser.call('HeapProfiler.collectGarbage')
    return browser.call('Runtime.getHeapUsage')['usedSize'], browser.call('Memory.getDOMCounters')['nodes']


def soak(server, browser, crowd, minutes):
    """What was seen: (minute, heap, nodes, resident), the least of two minutes around each mark: a look may find
    what is just in use."""
    begin, found, step = time.monotonic(), [], 0
    marks = [minutes / 10, minutes / 2, minutes]
    while time.monotonic() < begin + 60 * minutes:
        time.sleep(LOOK_S)
        step += 1
        if step % 2 == 0:
            browser.do(of('slow-again') + '.click()')
        if step % 6 in (3, 4):
            browser.do(of('scene-sleep') + '.click()')
        if not crowd.is_alive():
            sys.exit('the visitors are gone')
        found.append(((time.monotonic() - begin) / 60, *heap(browser), rss(server.process)))
    for mark in marks:
        near = [it for it in found if abs(it[0] - mark) <= minutes / 10] or found[-1:]
        yield mark, min(it[1] for it in near), min(it[2] for it in near), min(it[3] for it in near)


def main():
    if os.environ.get('EDDY_TEST_FULL') != '1':
        print('takes ten minutes: only with EDDY_TEST_FULL=1')
        sys.exit(77)
    program = show_browser.find()
    if program is None:
        print('there is no Chromium')
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended'))
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    server = Server(sys.argv[1], '--port', '0')
    browser = show_browser.Browser(program)
    try:
        crowd = Crowd(int(server.url.rsplit(':', 1)[1].strip('/')))
        browser.socket.socket.settimeout(600)  # of a machine that does much else
        browser.show(server.url)
        browser.until('document.querySelectorAll("#scene-list button").length >= 12')
        crowd.start()
        browser.do(f'''{of("load-clients")}.value = 50; {of("load-rate")}.value = 500; {of("load-open")}.checked = true;
            {of("load-form")}.requestSubmit()''')
        browser.do(of('mode-slow') + '.click()')
        browser.call('HeapProfiler.enable')
        seen = list(soak(server, browser, crowd, minutes))
        for minute, used, nodes, resident in seen:
            print(f'minute {minute:4.1f}: heap {used / MIB:6.2f} MiB, {nodes} nodes, program {resident / MIB:6.2f} MiB')
        print(f'{crowd.bytes / MIB:.0f} MiB to {VISITORS} that read; {crowd.comebacks} times {VISITORS} that did not')
        crowd.is_over.set()
        crowd.join()
        _, middle, end = seen
        others = [it for it in browser.complaints if '/events' not in it]
        assert others == [], others  # on a busy machine the page itself may be one that does not read, and comes again
        assert end[1] < middle[1] * 1.1 + MIB and end[2] < middle[2] * 1.2 + 200, 'the page grows'
        assert end[3] < middle[3] + 2 * MIB, 'the program grows'
    finally:
        browser.close()
        server.close()


main()
