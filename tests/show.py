#!/usr/bin/env python3
"""show.py EDDY [INFO CONTROL]: eddy show, as a visitor's browser talks to it: each action has the effect that it
says, and nobody who looks holds up the loop that is shown. Waits for conditions; what takes too long is an error.
INFO CONTROL: only the queries, to the PostgreSQL of postgres.sh."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

EDDY = os.path.abspath(sys.argv[1])
PATIENCE = 60  # of a machine that does much else; nothing takes so long
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
failures = []


class Show:
    """The program, started on a port of its own."""

    def __init__(self, *arguments, port="0"):
        self.program = subprocess.Popen([EDDY, "show", "--port", port, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.program.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), line + self.program.stderr.read()
        self.port = int(line.rsplit(":", 1)[1].strip("/\n"))

    def end(self, number=signal.SIGTERM):
        self.program.send_signal(number)
        out, err = self.program.communicate(timeout=PATIENCE)
        assert self.program.returncode == 0 and err == "", (self.program.returncode, out, err)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, headers or FORM)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def do(self, form, wanted=204):
        status, data = self.ask("POST", "/do", form)
        assert status == wanted, (form, status, data)
        return data.decode()


class Visitor:
    """An event stream, read by a thread."""

    def __init__(self, show):
        self.socket = socket.create_connection(("127.0.0.1", show.port), PATIENCE)
        self.socket.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.events = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        event = ""
        try:
            for line in self.socket.makefile("rb"):
                text = line.decode().rstrip("\r\n")
                if text.startswith("event: "):
                    event = text[7:]
                elif text.startswith("data: "):
                    with self.changed:
                        self.events.append((event, json.loads(text[6:])))
                        self.changed.notify_all()
        except (OSError, ValueError):
            pass

    def wait(self, event, condition, what, since=0):
        """The first event of that kind, of those from `since` on, that meets the condition."""
        end = time.monotonic() + PATIENCE
        place = since
        with self.changed:
            while True:
                for name, data in self.events[place:]:
                    place += 1
                    if name == event and condition(data):
                        return data
                assert self.changed.wait(end - time.monotonic()), f"{what}: has not come"

    def state(self, condition, what):
        return self.wait("state", condition, what, len(self.events))

    def close(self):
        self.socket.close()


def check_page(show, visitor):
    """The page is there, and nobody else's page may press its buttons."""
    status, page = show.ask("GET", "/")
    assert status == 200 and page.lstrip().lower().startswith(b"<!doctype html") and len(page) < 150000
    hello = visitor.wait("hello", lambda it: True, "hello")
    assert hello["backends"] and hello["backend"] in hello["backends"] and len(hello["scenes"]) == 12, hello
    for scene in hello["scenes"]:
        name, line = scene["source"].split(":")
        assert name.startswith("src/") and int(line) > 0 and scene["why"] and ".html#" in scene["guide"], scene
    assert show.ask("GET", "/nothing")[0] == 404 and show.ask("GET", "/guide/x")[0] == 404
    assert show.ask("POST", "/do", "action=load", {"Host": "evil.example", **FORM})[0] == 403
    assert show.ask("GET", "/events", None, {"Host": "evil.example"})[0] == 403
    assert show.ask("POST", "/do", "action=load", {"Origin": "http://evil.example", **FORM})[0] == 403
    origin = {"Origin": f"http://127.0.0.1:{show.port}", **FORM}
    assert show.ask("POST", "/do", "action=load&clients=10&rate=500&open=1", origin)[0] == 204


def check_bad(show, visitor):
    """What makes no sense is refused with a line that says why."""
    for form in ("", "action", "action=", "action=x", "action=load", "action=load&clients=-1&rate=0&open=0",
                 "action=load&clients=9&rate=9&open=2", "action=load&clients=9&rate=0&open=1",
                 "action=load&clients=99999&rate=0&open=0", "action=scene&on=1", "action=scene&id=x&on=1",
                 "action=scene&id=sleep", "action=scene&id=%zz&on=1", "action=scene&id=a%00&on=1",
                 "action=scene&id=idle-clients&on=1&n=0", "action=backend&name=x", "action=pool&threads=0",
                 "action=pool&threads=65", "action=hold&on=7", "action=step&what=call", "action=step&what=x",
                 "action=models&on=1&clients=0", "action=" + "x" * 900):
        text = show.do(form, 400)
        assert text.endswith("\n") and text.count("\n") == 1, (form, text)
    assert show.ask("POST", "/do", "action=" + "x" * 5000)[0] == 413
    assert show.ask("GET", "/do")[0] in (404, 405)


def check_load(show, visitor):
    """As many requests as were asked for; none when there are no clients."""
    visitor.state(lambda it: it["load"]["done_per_s"] > 300 and it["load"]["p50_us"] > 0, "500 requests a second")
    show.do("action=load&clients=3&rate=0&open=0")
    state = visitor.state(lambda it: it["load"]["clients"] == 3 and it["load"]["connected"] == 3 and
                          it["load"]["done_per_s"] > 600, "as fast as it goes")
    assert state["rates"]["turns"] > 0 and state["rates"]["system_calls"] > 0 and len(state["shares"]) == 9, state
    assert 0.9 < sum(state["shares"]) < 1.1, state
    assert any(it["label"] == "ticker 10 ms" for it in state["timers"]), state
    assert any(it["label"].startswith("client ") for it in state["fds"]), state
    show.do("action=load&clients=0&rate=0&open=0")
    visitor.state(lambda it: it["load"]["done_per_s"] == 0 and it["load"]["connected"] == 0, "no load")
    show.do("action=load&clients=10&rate=500&open=1")


def check_blocked(show, visitor):
    """sleep(1) in a callback is told while it lasts, by its label and function, and makes the ticker late; a
    job of the pool does not."""
    for _ in range(3):  # on a busy machine a callback may last, too, but not each time
        since = len(visitor.events)
        show.do("action=scene&id=compute-pool&on=1")
        visitor.wait("said", lambda it: "pool has computed" in it["text"], "the job on the pool", since)
        show.do("action=scene&id=compute-pool&on=0")
        states = [data for name, data in visitor.events[since:] if name == "state"]
        if all(it["blocked_ms"] < 100 for it in states):
            break
    else:
        raise AssertionError(f"a job of the pool blocks the loop: {states}")
    assert any(job["label"] == "compute on the pool" for it in states for job in it["pool"]["jobs"]), states

    since = len(visitor.events)
    show.do("action=scene&id=sleep&on=1")
    state = visitor.wait("state", lambda it: it["blocked_ms"] >= 400, "a blocked loop", since)
    assert state["blocked"] == {"kind": "timer", "label": "sleep(1)", "function": "on_sleep", "phase": 4}, state
    lasting = visitor.wait("stall", lambda it: it["label"] == "sleep(1)" and it["ms"] >= 100, "a stall", since)
    assert not lasting["over"] and lasting["phase"] == 4 and lasting["function"] == "on_sleep", lasting
    show.do("action=scene&id=sleep&on=0")
    stall = visitor.wait("stall", lambda it: it["over"] and it["label"] == "sleep(1)", "the end of the stall", since)
    assert stall["ms"] >= 1000 and stall["number"] == lasting["number"], stall
    check_frames(visitor, stall, since)
    visitor.wait("state", lambda it: it["late_us"]["max"] >= 800000, "a late ticker", since)
    visitor.wait("state", lambda it: it["load"]["p50_us"] >= 100000, "the latency of an open loop", since)
    visitor.wait("said", lambda it: "slept for a second" in it["text"], "a line", since)


def check_frames(visitor, stall, since):
    """The backtrace begins in the sleep and leads through its callback, by name and line where the system can tell
    and addr2line is there; no frame is the signal's handler."""
    if stall["no_frames"]:
        return
    named = visitor.wait("stall", lambda it: it["number"] == stall["number"] and
                         (not shutil.which("addr2line") or any("show_scenes.c:" in at for at in it["frames"])),
                         "names of its frames", since)
    frames = named["frames"]
    assert len(frames) > 4 and not any("frames_handle" in it or "backtrace" in it for it in frames), frames
    if shutil.which("addr2line"):
        place = next(index for index, it in enumerate(frames) if it.startswith("on_sleep src/cmd/show/show_scenes.c:"))
        assert place < 8 and any(re.match(r"eddy_loop_run \S*/(loop|eddy)\.c:", it) for it in frames[place:]), frames


def check_scenes(show, visitor):
    """Each of the others runs, says what was seen, and ends."""
    for scene, line in (("compute", "computed for 200 ms"), ("compute-pieces", "200 pieces"),
                        ("query", "10 queries of 300 ms each"), ("child", '"one two " and ended with status 3'),
                        ("read-callback", "64 MB in a callback"), ("read-pool", "64 MB through the pool"),
                        ("descriptors", "Without descriptors")):
        since = len(visitor.events)
        show.do(f"action=scene&id={scene}&on=1")
        visitor.wait("said", lambda it: line in it["text"], scene, since)
        show.do(f"action=scene&id={scene}&on=0")
    shed = [data["text"] for name, data in visitor.events if name == "said" and "shed" in data["text"]][-1]
    assert " 0 of " not in shed, shed
    show.do("action=scene&id=idle-clients&on=1&n=200")
    visitor.state(lambda it: it["fd_count"] >= 200, "200 silent clients")
    show.do("action=scene&id=idle-clients&on=0")
    visitor.state(lambda it: it["fd_count"] < 100, "their end")
    for scene in ("slow-reader", "flood"):
        show.do(f"action=scene&id={scene}&on=1")
        visitor.state(lambda it: it["scenes"][scene] and it["load"]["done_per_s"] > 100, scene)
        show.do(f"action=scene&id={scene}&on=0")
    visitor.state(lambda it: not any(it["scenes"].values()), "no scene")


def check_hold(show, visitor):
    """Held, it makes no turn, and a step makes one; its records come meanwhile."""
    since = len(visitor.events)
    show.do("action=hold&on=1")
    first = visitor.wait("state", lambda it: it["held"], "held", since)
    visitor.wait("records", lambda it: it.get("records"), "records", since)
    still = visitor.state(lambda it: it["held"] == first["held"] and it["load"]["done_per_s"] == 0, "nobody is served")
    later = visitor.state(lambda it: True, "a state")
    assert still["turn"] == later["turn"] and still["held"] == later["held"], (still, later)
    for what, kind in (("turn", "turn"), ("phase", "phase"), ("call", "call")):
        before = visitor.state(lambda it: it["held"], "held")["held"]["record"]
        show.do(f"action=step&what={what}")
        held = visitor.state(lambda it: it["held"] and it["held"]["record"] > before, f"a step: {what}")["held"]
        assert held["what"].split()[0] == kind, held
    assert visitor.state(lambda it: True, "a state")["blocked"] is None
    show.do("action=hold&on=0")
    visitor.state(lambda it: it["held"] is None and it["load"]["done_per_s"] > 100, "it goes on")
    show.do("action=step&what=turn", 400)

    since = len(visitor.events)
    show.do("action=record&on=1")
    batch = visitor.wait("records", lambda it: len(it.get("records", [])) > 20, "records", since)["records"]
    show.do("action=record&on=0")
    assert all(len(it) == 10 for it in batch), batch[0]
    numbers = [it[0] for it in batch if it[6] == 0]
    assert numbers == sorted(numbers), numbers


def check_way(show, visitor):
    """A request's way has the read and the write, each with its line of source."""
    status, text = show.ask("GET", "/way")
    way = json.loads(text)
    assert status == 200 and way["records"], way
    names = [it["name"] for it in way["calls"]]
    assert names.index("recv") < names.index("send"), names
    kinds = [it[3] for it in way["records"]]
    assert kinds.index("submit") < kinds.index("begin") < kinds.index("done") < kinds.index("write"), kinds
    numbers = {it[0] for it in way["records"]}
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for call in way["calls"]:
        name, line = call["source"].split(":")
        assert call["record"] in numbers and int(line) > 0 and os.path.exists(f"{root}/{name}"), call


def check_backends(show, visitor):
    """The loop is opened anew with another backend, and its clients come back."""
    hello = visitor.events[0][1]
    for name in hello["backends"][1:] + hello["backends"][:1]:
        show.do(f"action=backend&name={name}")
        visitor.state(lambda it: it["backend"] == name and it["load"]["done_per_s"] > 100 and
                      it["load"]["connected"] == 10, f"with {name}")
    show.do("action=pool&threads=2")
    visitor.state(lambda it: it["pool"]["max"] == 2 and it["load"]["connected"] == 10, "a pool of 2")


def check_strangers(show, visitor):
    """20 visitors that do not read neither slow the loop nor fatten the program."""
    before = visitor.state(lambda it: it["load"]["done_per_s"] > 300, "load")
    strangers = []
    for _ in range(20):
        stranger = socket.socket()
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stranger.connect(("127.0.0.1", show.port))
        stranger.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        strangers.append(stranger)
    show.do("action=record&on=1")
    end = time.monotonic() + 1.5
    visitor.state(lambda it: time.monotonic() > end and it["load"]["done_per_s"] > 300, "load beside them")
    after = visitor.state(lambda it: True, "a state")
    show.do("action=record&on=0")
    assert after["memory_kb"] - before["memory_kb"] < 20000, (before["memory_kb"], after["memory_kb"])
    for stranger in strangers:
        stranger.close()


def check_models(show, visitor):
    """The models are measured in processes of their own, told of while they run, and ended at once."""
    since = len(visitor.events)
    show.do("action=models&on=1&clients=5")
    show.do("action=models&on=1&clients=5", 400)
    visitor.wait("model", lambda it: it["model"] == "one" and it.get("begins"), "its beginning", since)
    model = visitor.wait("model", lambda it: it.get("after_ms", 0) >= 500, "a model", since)
    assert model["model"] == "one" and model["done_per_s"] > 0 and model["memory_kb"] > 0 and model["threads"] >= 1, model
    show.do("action=models&on=0")
    visitor.wait("model", lambda it: it.get("end"), "their end", since)
    show.do("action=models&on=1&clients=5")
    show.do("action=models&on=0")


def check_postgres(info, control):
    """The queries wait in PostgreSQL side by side, and the loop goes on; without it the visitors are told why."""
    show = Show("--postgres", info)
    visitor = Visitor(show)
    visitor.state(lambda it: it["load"]["done_per_s"] > 100, "load")
    ask = ["psql", "-X", "-A", "-t", "-d", info, "-c",
           "select count(*) from pg_stat_activity where query = 'select pg_sleep(0.3)' and state = 'active'"]
    for _ in range(2):  # the second time after the server was gone
        since = len(visitor.events)
        show.do("action=scene&id=query&on=1")
        end = time.monotonic() + PATIENCE
        while int(subprocess.run(ask, capture_output=True, check=True, timeout=PATIENCE).stdout) < 2:
            assert time.monotonic() < end, "no two queries at once"
        line = visitor.wait("said", lambda it: "queries of 300 ms" in it["text"], "the queries", since)["text"]
        assert "to PostgreSQL" in line, line
        states = [data for name, data in visitor.events[since:] if name == "state"]
        assert any(it["load"]["done_per_s"] > 100 and it["blocked_ms"] == 0 for it in states), states[-1]
        since = len(visitor.events)
        subprocess.run([control, "stop"], check=True, timeout=PATIENCE)
        line = visitor.wait("said", lambda it: "cannot be had" in it["text"], "their failure", since)["text"]
        assert "psql: error: " in line or "server" in line, line
        visitor.state(lambda it: not it["scenes"]["query"], "the scene is off")
        subprocess.run([control, "start"], check=True, timeout=PATIENCE)
    show.end()


def run_checks():
    record = os.path.join(tempfile.mkdtemp(), "recording")
    show = Show("--record", record)
    visitor = Visitor(show)
    for check in (check_page, check_bad, check_load, check_blocked, check_scenes, check_hold, check_way, check_backends,
                  check_strangers, check_models):
        began = time.monotonic()
        try:
            check(show, visitor)
        except AssertionError as error:
            failures.append(f"{check.__name__}: {error!r:.2000}")
        if os.environ.get("SHOW_TIMES"):
            print(f"{time.monotonic() - began:6.2f} s {check.__name__}")
    # A visitor that leaves while the loop is held takes the hold with it.
    show.do("action=hold&on=1")
    visitor.state(lambda it: it["held"], "held")
    visitor.socket.shutdown(socket.SHUT_RDWR)
    other = Visitor(show)
    other.state(lambda it: it["held"] is None or True, "a state")
    show.end()  # with a visitor, and perhaps held
    return record


def check_recording(record):
    """What was recorded is lines of messages, and is played; what is none is refused."""
    with open(record) as file:
        lines = [json.loads(line) for line in file]
    assert lines[0]["event"] == "hello" and {"state", "said", "records", "stall"} <= {it["event"] for it in lines}
    show = Show(record)
    visitor = Visitor(show)
    assert visitor.wait("hello", lambda it: it["recorded"], "hello")["scenes"]
    visitor.wait("state", lambda it: it["backend"], "a state that was recorded")
    status, text = show.ask("GET", "/record")
    assert status == 200 and text.count(b"\n") == len(lines)
    show.end(signal.SIGINT)
    good = json.dumps(lines[0])
    for text, why in (("", "empty"), ("{", "line 1"), ("[]\n", "no object"), (good + "\n{}\n", "line 2: \"at_ms\""),
                      (good + "\n" + good, "another"), (json.dumps(lines[1]), "not \"hello\""),
                      (good + '\n{"at_ms":1,"event":"x","data":{}}', "none that there is"),
                      (good + '\n{"at_ms":9,"event":"said","data":{}}\n{"at_ms":1,"event":"said","data":{}}', "line 3"),
                      (good + '\n{"at_ms":1,"event":"said","data":' + "[" * 99, "line 2"),
                      (good + '\n{"at_ms":1,"event":"said","data":{"text":"' + "x" * 9000 + '"}}', "too long")):
        with open(record, "w") as file:
            file.write(text)
        ended = subprocess.run([EDDY, "show", record], capture_output=True, text=True, timeout=PATIENCE)
        assert ended.returncode == 2 and why in ended.stderr and ended.stderr.count("\n") == 1, (text[-90:], ended)


def check_options():
    other = socket.create_server(("127.0.0.1", 0))
    taken = other.getsockname()[1]
    for arguments, status in ((["--help"], 0), (["--port", "x"], 2), (["--port"], 2), (["--backend", "x"], 2),
                              (["--seconds", "0"], 2), (["a", "b"], 2), (["/nowhere"], 2), (["/"], 2),
                              (["x", "--record", "y"], 2), (["--nothing"], 2), (["--guide", "/nowhere"], 1),
                              (["--record", "/nowhere/x", "--port", "0"], 1), (["--port", str(taken)], 1)):
        ended = subprocess.run([EDDY, "show", *arguments], capture_output=True, text=True, timeout=PATIENCE)
        assert ended.returncode == status, (arguments, ended)
        assert status == 0 or (ended.stderr.startswith("eddy: ") and ended.stderr.count("\n") == 1), ended


if __name__ == "__main__":
    if len(sys.argv) == 4:
        check_postgres(sys.argv[2], sys.argv[3])
        sys.exit()
    check_options()
    check_recording(run_checks())
    for failure in failures:
        print(failure)
    sys.exit(1 if failures else 0)
