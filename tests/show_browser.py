"""show_browser.py: a browser that a test drives, Chromium over its debugging protocol and Firefox over WebDriver
BiDi, with nothing but the standard library."""
import base64
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
FIREFOX = ('firefox-esr', 'firefox')


def find(names=NAMES):
    return next((path for path in map(shutil.which, names) if path), None)


class Socket:
    """The client's side of a WebSocket (RFC 6455), for text."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=90)
        self.data = b''
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f'GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n'
            f'Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n').encode())
        while b'\r\n\r\n' not in self.data:
            self.more()
        head, _, self.data = self.data.partition(b'\r\n\r\n')
        if b' 101 ' not in head.split(b'\r\n')[0]:
            raise OSError(head.decode())

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise OSError('the browser has closed the connection')
        self.data += data

    def take(self, size):
        while len(self.data) < size:
            self.more()
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else (b'\xfe' + struct.pack('>H', len(data))
            if len(data) < 1 << 16 else b'\xff' + struct.pack('>Q', len(data)))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.socket.sendall(b'\x81' + size + mask + masked)

    def receive(self):
        """A whole message, of however many frames."""
        text = b''
        while True:
            first, size = self.take(2)
            if size >= 126:
                size = struct.unpack('>H', self.take(2))[0] if size == 126 else struct.unpack('>Q', self.take(8))[0]
            data = self.take(size)
            if first & 15 in (0, 1):
                text += data
                if first & 0x80:
                    return text.decode()


class Driven:
    """A browser without a window, and a page in it. Its complaints gather in `complaints`."""

    def __init__(self, arguments, told, seconds):
        self.number, self.complaints, self.socket = 0, [], None
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            end = time.monotonic() + seconds
            while not (told.exists() and '\n' in (text := told.read_text()) and (text[0] != '{' or text.rstrip()[-1] == '}')):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise OSError(f'{arguments[0]} does not start')
                time.sleep(0.05)
            self.attach(text)
        except BaseException:
            self.close()
            raise

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps(self.message(method, parameters)))
        while True:
            answer = json.loads(self.socket.receive())
            if answer.get('id') == self.number:
                if 'error' in answer:
                    raise OSError(f'{method}: {answer["error"]} {answer.get("message", "")}')
                return answer['result']
            self.note(answer)

    def until(self, script, seconds=40):
        """Waits for an expression to be true."""
        end = time.monotonic() + seconds
        while not self.do(f'Boolean({script})'):
            if time.monotonic() > end:
                raise AssertionError(f'not within {seconds} s: {script}')
            time.sleep(0.05)

    def close(self):
        if self.socket:
            self.socket.socket.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for _ in range(20):  # its children still write as they end
            shutil.rmtree(self.directory, ignore_errors=True)
            if not os.path.exists(self.directory):
                break
            time.sleep(0.1)


class Browser(Driven):
    """Chromium."""

    def __init__(self, program, seconds=60):
        self.directory = tempfile.mkdtemp(prefix='eddy-browser-')
        self.session = None
        super().__init__([program, '--headless=new', '--no-sandbox', '--disable-gpu',
            '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions', '--disable-background-networking',
            '--disable-component-update', '--disable-sync', '--mute-audio', '--hide-scrollbars', '--remote-debugging-port=0',
            '--remote-allow-origins=*', f'--user-data-dir={self.directory}', 'about:blank'],
            Path(self.directory, 'DevToolsActivePort'), seconds)

    def attach(self, told):
        port, path = told.split('\n')[:2]
        self.socket = Socket(f'ws://127.0.0.1:{port}{path}')
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log'):
            self.call(domain + '.enable')

    def message(self, method, parameters):
        message = {'id': self.number, 'method': method, 'params': parameters}
        if self.session:
            message['sessionId'] = self.session
        return message

    def note(self, event):
        inner = event.get('params', {})
        if event.get('method') == 'Runtime.exceptionThrown':
            detail = inner['exceptionDetails']
            self.complaints.append(detail.get('exception', {}).get('description', detail['text']))
        if event.get('method') == 'Runtime.consoleAPICalled' and inner['type'] in ('error', 'warning', 'assert'):
            self.complaints.append(str([it.get('value') for it in inner['args']]))
        if event.get('method') == 'Log.entryAdded' and inner['entry']['level'] in ('error', 'warning'):
            self.complaints.append(inner['entry']['text'] + ' ' + inner['entry'].get('url', ''))

    def do(self, script):
        """The value of an expression in the page."""
        answer = self.call('Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True)
        if 'exceptionDetails' in answer:
            raise AssertionError(f'{script}: {answer["exceptionDetails"]["exception"]["description"]}')
        return answer['result'].get('value')

    def show(self, url, width=1280, height=900, dark=False, calm=False):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1 if width > 600 else 2,
            mobile=width <= 600)
        self.call('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'},
            {'name': 'prefers-reduced-motion', 'value': 'reduce' if calm else 'no-preference'}])
        if url:
            self.call('Page.navigate', url=url)
            self.until('document.readyState === "complete"')

    def key(self, key, code=None, shift=False):
        code = code or {' ': 'Space'}.get(key, key)
        numbers = {' ': 32, 'ArrowLeft': 37, 'ArrowRight': 39, 'Tab': 9, 'Enter': 13}
        common = {'key': key, 'code': code, 'modifiers': 8 if shift else 0, 'windowsVirtualKeyCode': numbers.get(key, ord(key[0]))}
        self.call('Input.dispatchKeyEvent', type='keyDown', text={' ': ' ', 'Enter': '\r'}.get(key, key if len(key) == 1 else ''), **common)
        self.call('Input.dispatchKeyEvent', type='keyUp', **common)

    def picture(self, path, whole=False):
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']
        Path(path).write_bytes(base64.b64decode(data))


def plain(value):
    """A remote value of BiDi in Python's terms."""
    kind, inner = value['type'], value.get('value')
    if kind == 'array':
        return [plain(it) for it in inner]
    return float('nan') if kind == 'number' and inner == 'NaN' else inner


class Firefox(Driven):
    """Firefox. What the page prefers is set for the whole run."""
    KEYS = {'ArrowLeft': '\ue012', 'ArrowRight': '\ue014', 'Tab': '\ue004', 'Enter': '\ue007'}

    def __init__(self, program, seconds=90, dark=False, calm=False):
        self.directory = tempfile.mkdtemp(prefix='eddy-browser-')
        preferences = {'layout.css.prefers-color-scheme.content-override': 0 if dark else 1,
            'ui.prefersReducedMotion': int(calm), 'ui.useOverlayScrollbars': 1, 'datareporting.policy.dataSubmissionEnabled': False,
            'browser.shell.checkDefaultBrowser': False, 'app.update.enabled': False, 'network.captive-portal-service.enabled': False,
            'network.connectivity-service.enabled': False, 'services.settings.server': 'http://127.0.0.1:9/',
            'browser.safebrowsing.update.enabled': False, 'extensions.update.enabled': False}
        Path(self.directory, 'user.js').write_text(''.join(f'user_pref({json.dumps(name)}, {json.dumps(value)});\n'
            for name, value in preferences.items()))
        super().__init__([program, '--headless', '--no-remote', '--profile', self.directory, '--remote-debugging-port', '0',
            'about:blank'], Path(self.directory, 'WebDriverBiDiServer.json'), seconds)

    def attach(self, told):
        place = json.loads(told)
        self.socket = Socket(f'ws://{place["ws_host"]}:{place["ws_port"]}/session')
        self.call('session.new', capabilities={})
        # A tab of its own: in the first one the address has the focus.
        self.context = self.call('browsingContext.create', type='tab')['context']
        self.call('browsingContext.activate', context=self.context)
        self.call('session.subscribe', events=['log.entryAdded'])

    def message(self, method, parameters):
        return {'id': self.number, 'method': method, 'params': parameters}

    def note(self, event):
        inner = event.get('params', {})
        if event.get('method') == 'log.entryAdded' and inner['level'] in ('error', 'warn'):
            self.complaints.append(inner['text'] or '')

    def do(self, script):
        answer = self.call('script.evaluate', expression=script, awaitPromise=True, target={'context': self.context})
        if answer['type'] != 'success':
            raise AssertionError(f'{script}: {answer["exceptionDetails"]["text"]}')
        return plain(answer['result'])

    def show(self, url, width=1280, height=900, dark=False, calm=False):
        self.call('browsingContext.setViewport', context=self.context, viewport={'width': width, 'height': height},
            devicePixelRatio=1 if width > 600 else 2)
        if url:
            self.call('browsingContext.navigate', context=self.context, url=url, wait='complete')

    def key(self, key, code=None, shift=False):
        value = self.KEYS.get(key, key)
        steps = [{'type': 'keyDown', 'value': value}, {'type': 'keyUp', 'value': value}]
        if shift:
            steps = [{'type': 'keyDown', 'value': '\ue008'}, *steps, {'type': 'keyUp', 'value': '\ue008'}]
        self.call('input.performActions', context=self.context, actions=[{'type': 'key', 'id': 'keys', 'actions': steps}])

    def picture(self, path, whole=False):
        data = self.call('browsingContext.captureScreenshot', context=self.context, origin='document' if whole else 'viewport')
        Path(path).write_bytes(base64.b64decode(data['data']))
