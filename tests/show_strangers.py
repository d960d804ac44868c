"""show_strangers.py EDDY: eddy show among people who do it no good: requests that are broken, browsers that are
killed, Ctrl-C at the terminal in each scene, few descriptors, a full disk, files that are no recordings, the
backend switched all the time, and two who hold the loop. It goes on, or says why not, and leaves nobody behind.
SHOW_SWITCHES: how often the backend is switched (default 60)."""
import json
import os
import pty
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from show import EDDY, PATIENCE, Show, Visitor

MARK = f"EDDY_SHOW_TEST={os.getpid()}"
SCENES = ("sleep", "compute", "compute-pieces", "compute-pool", "query", "read-callback", "read-pool", "child",
          "idle-clients", "slow-reader", "flood", "descriptors")


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def marked():
    """The processes that were started with the mark and have not ended."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if MARK.encode() in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


def fds(show):
    return len(os.listdir(f"/proc/{show.program.pid}/fd"))


def raw(show, data, reads=True):
    """What the server says to these bytes before it closes, or falls silent."""
    with socket.create_connection(("127.0.0.1", show.port), PATIENCE) as connection:
        connection.sendall(data)
        if not reads:
            return b""
        connection.settimeout(5)
        connection.shutdown(socket.SHUT_WR)
        told = b""
        try:
            while data := connection.recv(1 << 16):
                told += data
        except (TimeoutError, ConnectionResetError):
            pass
        return told


def break_in(show):
    """Broken requests get an answer of 4xx, or nothing; and then the page is there as before."""
    host = b"Host: localhost\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    for data in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n" + host + b"\r\n",
                 b"GET /%00 HTTP/1.1\r\n" + host + b"\r\n", b"GET /guide/../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n",
                 b"GET /guide/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + host + b"\r\n", b"DELETE /do HTTP/1.1\r\n" + host + b"\r\n",
                 b"POST /events HTTP/1.1\r\n" + host + b"Content-Length: 3\r\n\r\nabc", b"POST / HTTP/1.1\r\n" + host + b"\r\n",
                 b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 90000 + b"\r\n\r\n",
                 b"POST /do HTTP/1.1\r\n" + host + form + b"Content-Length: -1\r\n\r\n",
                 b"POST /do HTTP/1.1\r\n" + host + form + b"Content-Length: 99999999999\r\n\r\naction=load",
                 b"POST /do HTTP/1.1\r\n" + host + form + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"POST /do HTTP/1.1\r\n" + host + form + b"Content-Length: 10\r\n\r\nactio",
                 random.Random(1).randbytes(5000)):
        told = raw(show, data)
        assert told == b"" or told.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 ")), (data[:80], told[:200])
    for path in (b"/", b"/events", b"/record", b"/way", b"/costs"):  # gone before the answer
        for _ in range(20):
            raw(show, b"GET " + path + b" HTTP/1.1\r\n" + host + b"\r\n", reads=False)
    many = raw(show, (b"GET /record HTTP/1.1\r\n" + host + b"\r\n") * 12)
    assert many.count(b"HTTP/1.1 ") >= 1, many[:200]
    assert show.ask("GET", "/")[0] == 200


def kill_browsers(show):
    """Streams that end by a reset, one of them while the loop is held; it goes on."""
    for hold in (False, True):
        visitors = [Visitor(show) for _ in range(5)]
        visitors[0].state(lambda it: it["load"]["done_per_s"] > 50, "load")
        if hold:
            show.do("action=hold&on=1")
            visitors[0].state(lambda it: it["held"], "held")
        for visitor in visitors:
            visitor.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            visitor.socket.shutdown(socket.SHUT_RD)
            visitor.close()
        until(lambda: not finds_it_held(show), "it is let go when the last one has gone")


def finds_it_held(show):
    """As somebody new finds it."""
    visitor = Visitor(show)
    state = visitor.wait("state", lambda it: it["held"] or it["load"]["done_per_s"] > 50, "a state")
    visitor.socket.shutdown(socket.SHUT_RDWR)
    return state["held"] is not None


def two_hold(show):
    """Whoever lets go lets go for all; whoever leaves, does not as long as the other one looks."""
    one, two = Visitor(show), Visitor(show)
    two.state(lambda it: it["load"]["done_per_s"] > 50, "load")
    for _ in range(3):
        show.do("action=hold&on=1")
        show.do("action=hold&on=1")
        one.state(lambda it: it["held"], "held")
        before = two.state(lambda it: it["held"], "held")["held"]["record"]
        show.do("action=step&what=turn")
        two.state(lambda it: it["held"] and it["held"]["record"] > before, "a step")
        show.do("action=hold&on=0")
        show.do("action=hold&on=0")
        two.state(lambda it: it["held"] is None and it["load"]["done_per_s"] > 50, "it goes on")
    show.do("action=hold&on=1")
    one.state(lambda it: it["held"], "held")
    one.socket.shutdown(socket.SHUT_RDWR)
    end = time.monotonic() + 0.5
    two.state(lambda it: time.monotonic() > end and it["held"], "held for the other one")
    two.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: not finds_it_held(show), "let go")


def switch(show):
    """The backend is switched all the time, under load: nothing is left of the loops before."""
    visitor = Visitor(show)
    hello = visitor.wait("hello", lambda it: True, "hello")
    names = hello["backends"]
    first = visitor.state(lambda it: it["load"]["connected"] == 10, "clients")
    before = fds(show)
    for number in range(int(os.environ.get("SHOW_SWITCHES", "60"))):
        form = f"action=backend&name={names[number % len(names)]}"
        end = time.monotonic() + PATIENCE
        while show.ask("POST", "/do", form)[0] != 204:  # too many of them wait
            assert time.monotonic() < end, "no switch is taken"
            time.sleep(0.01)
        time.sleep(0.005)  # those that come together are one
    show.do(f"action=backend&name={names[0]}")
    last = visitor.state(lambda it: it["backend"] == names[0] and it["load"]["connected"] == 10 and
                         it["load"]["done_per_s"] > 100, "the last one")
    until(lambda: fds(show) <= before + 2, f"{fds(show)} descriptors, {before} before")
    assert last["memory_kb"] < first["memory_kb"] + 8000, (first["memory_kb"], last["memory_kb"])
    visitor.socket.shutdown(socket.SHUT_RDWR)


def at_terminal(actions, wait_s=0.4):
    """Ctrl-C at a terminal ends it, and all that it has started."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update([MARK.split("=")])
        os.execv(EDDY, [EDDY, "show", "--port", "0"])
    told = b""
    while b"/\r\n" not in told:
        told += os.read(terminal, 1000)
    show = Show.__new__(Show)
    show.port = int(told.rsplit(b":", 1)[1].split(b"/")[0])
    for action in actions:
        if action.startswith("GET "):
            threading.Thread(target=raw, args=(show, action.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                             daemon=True).start()
        else:
            show.do(action)
    time.sleep(wait_s)  # whatever it is doing by then
    os.write(terminal, b"\x03")
    status = []

    def has_ended():
        ended, how = os.waitpid(pid, os.WNOHANG)
        status.extend([how] if ended else [])
        return bool(ended)
    until(has_ended, f"{actions}: it does not end")
    assert os.WIFEXITED(status[0]) and os.WEXITSTATUS(status[0]) == 0, (actions, status)
    until(lambda: not marked(), f"{actions}: processes are left: {marked()}")
    os.close(terminal)


def few_descriptors():
    """With 64 descriptors it starts; what cannot be had is said, and it ends as ever."""
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    program = subprocess.Popen([EDDY, "show", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=limit)
    show = Show.__new__(Show)
    show.program = program
    show.port = int(program.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
    visitor = Visitor(show)
    visitor.state(lambda it: it["turn"] > 0, "it turns")
    for scene in SCENES:
        show.do(f"action=scene&id={scene}&on=1")
    visitor.wait("said", lambda it: "clients are connected" in it["text"] or "cannot" in it["text"], "some line")
    for scene in SCENES:
        show.do(f"action=scene&id={scene}&on=0")
    visitor.state(lambda it: not any(it["scenes"].values()) and it["blocked_ms"] == 0, "all off")
    show.end()


def bad_files(directory):
    """A recording that is cut, or no recording at all."""
    record = os.path.join(directory, "record")
    show = Show("--record", record)
    visitor = Visitor(show)
    visitor.state(lambda it: it["turn"] > 0, "it turns")
    show.end()
    with open(record, "rb") as file:
        whole = file.read()
    assert whole.endswith(b"}\n") and all(json.loads(line) for line in whole.splitlines())
    pieces = [whole[:len(whole) * part // 7] for part in range(1, 7)] + [whole[:-3], random.Random(2).randbytes(100000)]
    pieces += [b"\xff" * 10, b"\n" * 1000, b"{" * 1000000, whole.replace(b'"at_ms"', b'"at_mz"')]
    for piece in pieces:
        with open(record, "wb") as file:
            file.write(piece)
        ended = subprocess.run([EDDY, "show", "--port", "0", "--seconds", "1", record], capture_output=True, timeout=PATIENCE,
                               check=False)
        is_whole = piece.endswith(b"}\n") and piece == whole[:len(piece)]
        assert ended.returncode == (0 if is_whole else 2), (piece[-80:], ended)
        assert is_whole or ended.stderr.count(b"\n") == 1, ended.stderr[:500]


def full_disk():
    """What cannot be kept is said, once."""
    ended = subprocess.run([EDDY, "show", "--port", "0", "--seconds", "1", "--record", "/dev/full"], capture_output=True,
                           text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 1 and "/dev/full: " in ended.stderr and ended.stderr.count("\n") == 1, ended


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    show = Show("--port", "0")
    for check in (break_in, kill_browsers, two_hold, switch):
        timed(check, show)
    timed(show.end)
    for scene in SCENES:
        timed(at_terminal, [f"action=scene&id={scene}&on=1"])
    timed(at_terminal, ["action=models&on=1&clients=20"])
    timed(at_terminal, ["GET /costs", "action=hold&on=1"])
    timed(few_descriptors)
    with tempfile.TemporaryDirectory() as directory:
        timed(bad_files, directory)
    timed(full_disk)


def timed(check, *arguments):
    began = time.monotonic()
    check(*arguments)
    if os.environ.get("SHOW_TIMES"):
        print(f"{time.monotonic() - began:6.2f} s {check.__name__} {arguments[-1] if check is at_terminal else ''}", flush=True)


main()
