"""request_run.py: `eddy serve` of a file that is not in the page cache, and two requests for it."""
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

PATIENCE_S = 60
SIZE = 12000


class NotSeen(Exception):
    """Why there is nothing to be seen."""


def await_that(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        if time.monotonic() > end:
            raise NotSeen(f'{what} did not come')
        time.sleep(0.005)
    return result


def forget(path):
    """Takes the file out of the page cache, where the system does that."""
    with open(path, 'rb+') as file:
        os.fsync(file.fileno())
        if hasattr(os, 'posix_fadvise'):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ask(port):
    with socket.create_connection(('127.0.0.1', port), timeout=PATIENCE_S) as client:
        client.sendall(b'GET /page.html HTTP/1.1\r\nHost: localhost\r\n\r\n')
        answer = b''
        while b'\r\n\r\n' not in answer or len(answer.partition(b'\r\n\r\n')[2]) < SIZE:
            piece = client.recv(65536)
            if not piece:
                raise NotSeen('the answer was cut off')
            answer += piece


class Served:
    """`eddy serve` of a directory with one file."""

    def __init__(self, eddy, work, wrapper=()):
        self.work, self.wrapped = work, bool(wrapper)
        if not (work / 'site').exists():  # both runs have the same file
            (work / 'site').mkdir()
            page = work / 'site/page.html'
            page.write_bytes(b'A page of no interest.\r\n' * (SIZE // 24))
            os.utime(page, (1_700_000_000, 1_700_000_000))  # what is new is told otherwise than what is old
        self.process = subprocess.Popen([*wrapper, eddy, 'serve', '--backend', 'epoll', '--port', '0', '--loops', '1',
            '--pool-threads', '1', '--trace', work / 'trace.txt', work / 'site'], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(work / 'said', 'wb'),
            env={**os.environ, 'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'})

    def port(self):
        def look():
            found = re.search(rb'http://\S+:(\d+)/', (self.work / 'said').read_bytes())
            if not found and self.process.poll() is not None:
                raise NotSeen('eddy serve did not start')
            return found and int(found[1])
        return await_that(look, 'the server')

    def rests(self):
        """Whether the loop waits, with no connection and nothing else to come."""
        path = self.work / 'trace.txt'
        lines = path.read_text().splitlines() if path.exists() else []
        return bool(lines) and lines[-1].endswith('wait without end') and sum(' close stream' in it for it in lines)

    def requests(self):
        """Two: the first finds the pool without a thread, and the server without memory."""
        port = self.port()
        for i in range(2):
            forget(self.work / 'site/page.html')
            ask(port)
            await_that(lambda: self.rests() == i + 1, 'the end of the connection')

    def pid(self):
        pid = self.process.pid
        if not self.wrapped:
            return pid
        children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        return int(children[0]) if children else pid

    def stop(self):
        try:
            os.kill(self.pid(), signal.SIGTERM)
            self.process.wait(PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def serve(eddy, work, wrapper=()):
    served = Served(eddy, work, wrapper)
    try:
        served.requests()
    except OSError as error:
        raise NotSeen(str(error)) from error
    finally:
        served.stop()


def can_run(*command):
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0
