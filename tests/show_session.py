"""show_session.py EDDY FILE: makes the recorded session that the guide shows (docs/show.jsonl): a load, a
callback that sleeps, the same work on the pool, the backends, and slow motion; with the costs of the machine
and the way of a request. Takes half a minute."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

# After so many seconds: what is asked for.
PLAN = (
    (0, 'load', {'clients': 8, 'rate': 150, 'open': 1}),
    (4, 'scene', {'id': 'sleep', 'on': 1}), (6.5, 'scene', {'id': 'sleep', 'on': 0}),
    (9, 'scene', {'id': 'compute-pool', 'on': 1}), (10.9, 'record', {'on': 1}), (11.5, 'record', {'on': 0}),
    (12, 'scene', {'id': 'compute-pool', 'on': 0}),
    (14, 'scene', {'id': 'compute', 'on': 1}), (16, 'scene', {'id': 'compute', 'on': 0}),
)
SECONDS = 19
STATE_MS = 190  # every other state is enough


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def play(url):
    start = time.monotonic()
    for after, action, fields in PLAN:
        time.sleep(max(0, start + after - time.monotonic()))
        form = urllib.parse.urlencode({'action': action, **fields}).encode()
        with urllib.request.urlopen(url + 'do', form, timeout=10):
            pass
    way = get(url + 'way')
    time.sleep(max(0, start + SECONDS - time.monotonic()))
    return way


def thin(lines):
    last = -STATE_MS
    for line in lines:
        message = json.loads(line)
        if message['event'] == 'state':
            if message['at_ms'] < last + STATE_MS:
                continue
            last = message['at_ms']
        yield message


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    with tempfile.TemporaryDirectory() as directory:
        kept = os.path.join(directory, 'kept')
        server = subprocess.Popen([sys.argv[1], 'show', '--port', '0', '--record', kept], stdout=subprocess.PIPE, text=True)
        try:
            url = re.search(r'http://\S+/', server.stdout.readline())[0]
            # The records are for those who look: somebody has to.
            with urllib.request.urlopen(url + 'events', timeout=60):
                way = play(url)
            costs = get(url + 'costs')
        finally:
            server.terminate()
            server.communicate()
        with open(kept, encoding='utf-8') as lines:
            messages = [it for it in thin(lines) if it['at_ms'] <= SECONDS * 1000]
    with open(sys.argv[2], 'w', encoding='utf-8') as out:
        first = messages.index(next(it for it in messages if it['event'] == 'hello')) + 1
        more = [{'at_ms': 0, 'event': 'costs', 'data': costs}, {'at_ms': 0, 'event': 'way', 'data': way}]
        for message in messages[:first] + more + messages[first:]:
            print(json.dumps(message, separators=(',', ':'), ensure_ascii=False), file=out)


main()
