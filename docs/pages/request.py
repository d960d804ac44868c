"""request.py EDDY ROOT [OUT]: one request through `eddy serve`, from its connection to its end: what the kernel
was asked (strace), what the loop recorded (--trace) and where in the sources below ROOT that is, side by
side by time. OUT takes it as JSON, for docs/22-request.md; without it, it is printed.

Runs that are left alone, whose times count, and one under `strace -k`, whose times do not: it stops each
thread at each call, but knows each call's stack. What lacks is left out, and said in "why": a build must not fail
because of it. A line of source that is gone (request_lines.py) does end it."""
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from request_lines import STEPS, find_lines, line_of
from request_run import NotSeen, can_run, serve

TRIES = 4  # to have the file out of the page cache
RECORD = re.compile(r' *(-?\d+\.\d{3}) (\S+) +(\d+) +(\d+|-) (\d) +([a-z-]+) ?(.*)')
CALL = re.compile(r'(\d+) +(\d+\.\d+) (.*)')
FRAME = re.compile(r' > (.*)\((.*)\+0x[0-9a-f]+\) \[0x([0-9a-f]+)\]')
# What concerns the request; memory, and how threads begin and rest, do not.
TRACED = ','.join('?' + name for name in '''accept accept4 bind close connect epoll_ctl epoll_pwait epoll_pwait2
    epoll_wait fcntl fstat getsockname newfstatat openat openat2 pread64 preadv preadv2 read recvfrom sendfile sendmsg
    sendto setsockopt shutdown statx write writev'''.split())
# The record that tells of a call; it comes after it, or before it.
TOLD_AFTER = {'accept': 'accept4?', 'read': 'recvfrom', 'write': 'sendto|sendmsg|writev', 'waited': 'epoll_p?wait2?'}
TOLD_BEFORE = {'add': 'epoll_ctl', 'modify': 'epoll_ctl', 'remove': 'epoll_ctl', 'wakeup': 'write'}


# --- What it wrote ---

def read_records(work):
    rows = []
    for line in (work / 'trace.txt').read_text().splitlines():
        if found := RECORD.fullmatch(line):
            us, thread, number, cause, phase, kind, rest = found.groups()
            thread = 'pool-1' if kind == 'wakeup' else thread  # the one that writes the byte has no number here
            rows.append({'us': float(us), 'thread': thread, 'number': int(number),
                'cause': 0 if cause == '-' else int(cause), 'phase': int(phase), 'kind': kind, 'rest': rest})
    return rows


def read_calls(work):
    """Those of the server, in the order of their ends; `at` and `end` in seconds, `frames` from the inside."""
    calls, begun, tracer = [], {}, None
    for line in (work / 'strace.txt').read_text(errors='replace').splitlines():
        if found := FRAME.match(line):
            if calls:
                calls[-1]['frames'].append((found[1], found[2], int(found[3], 16)))
            continue
        if not (found := CALL.match(line)):
            continue
        tid, at, text = int(found[1]), float(found[2]), found[3]
        if text.endswith('<unfinished ...>'):
            begun[tid] = at, text[:-len('<unfinished ...>')]
            continue
        if resumed := re.match(r'<\.\.\. \w+ resumed>', text):
            at, before = begun.pop(tid, (at, ''))
            text = (before + text[resumed.end():]).replace(',  ', ', ').replace(' )', ')')
        if done := re.fullmatch(r'(\w+)\((.*)\) += (.*) <(\d+\.\d+)>', text):
            name, arguments, result, took = done.groups()
            if 'us thread' in arguments:
                tracer = tid  # its thread writes the trace
            calls.append({'tid': tid, 'at': at, 'end': at + float(took), 'name': name, 'frames': [],
                'call': f'{name}({arguments}) = {result}', 'failed': result.startswith('-')})
    return [it for it in calls if it['tid'] != tracer]


def put_on_clock(calls, records):
    """The calls' times become the records': a call begins after the record before its own, and ends before its own.
    What is nearest to either says how far the clocks are apart."""
    ours, least, most = [it for it in records if it['thread'] == 'loop'], [], []
    for kind in ('accept', 'read', 'write'):
        told = [i for i, it in enumerate(ours) if it['kind'] == kind and i > 0]
        called = [it for it in calls if re.fullmatch(TOLD_AFTER[kind], it['name'])]
        for i, call in zip(reversed(told), reversed(called)):  # what came before the trace has no record
            least.append(ours[i - 1]['us'] - call['at'] * 1e6)
            most.append(ours[i]['us'] - call['end'] * 1e6)
    if not least or max(least) > min(most):
        raise NotSeen('the records are not those of the calls')
    for call in calls:
        call['us'] = call['at'] * 1e6 + (max(least) + min(most)) / 2


def find_frames(eddy, root, calls):
    """Addresses become functions and lines, of the sources alone; inlined functions as well."""
    addresses = sorted({address - 1 for it in calls for path, _, address in it['frames'] if Path(path) == eddy})
    found, at = {}, None
    if addresses and shutil.which('addr2line'):
        run = subprocess.run(['addr2line', '-a', '-f', '-i', '-e', eddy, *map(hex, addresses)], stdout=subprocess.PIPE,
            encoding='utf-8', check=True)
        lines = iter(run.stdout.splitlines())
        for line in lines:
            if line.startswith('0x'):
                at = found.setdefault(int(line, 16), [])
            elif place := re.match(r'(.*):(\d+)', next(lines)):
                path = os.path.relpath(os.path.realpath(place[1]), root)
                if (root / path).is_file() and not path.startswith('..'):
                    at.append([line, path, int(place[2])])
    for call in calls:
        call['frames'] = [frame for _, _, address in call['frames'] for frame in found.get(address - 1, [])]


def is_told(table, record, call):
    return 'call' in call and re.fullmatch(table.get(record.get('kind'), '(?!)'), call['name']) is not None


def merge(records, calls):
    """Rows in the order of time. A record and the call that it tells of are one; a wait is where it ends."""
    merged, waits = [], {}
    for row in calls:
        row['thread'] = 'loop' if row['tid'] == calls[0]['tid'] else 'pool-1'
    for row in sorted([*records, *calls], key=lambda it: it['us']):
        before = next((it for it in reversed(merged) if row['thread'] == it['thread']), {})
        if is_told(TOLD_AFTER, {'kind': 'waited'}, row):
            waits = row
        elif row.get('kind') == 'waited':
            merged.append({**row, **of_call(waits)})
            waits = {}
        elif 'call' in row and 'call' not in before and is_told(TOLD_BEFORE, before, row):
            before.update(of_call(row))
        elif 'kind' in row and 'kind' not in before and is_told(TOLD_AFTER, row, before):
            merged.remove(before)
            merged.append({**row, **of_call(before)})
        else:
            merged.append(row)
    return merged


def of_call(row):
    return {key: row[key] for key in ('call', 'frames') if key in row}


# --- Its steps ---

def last(rows, before, *kinds):
    return next(i for i in range(before, -1, -1) if rows[i].get('kind') in kinds)


def first(rows, after, test):
    found = next((i for i in range(after, len(rows)) if test(rows[i])), None)
    if found is None:
        raise NotSeen('the trace lacks something')
    return found


def of_kind(kind, rest=''):
    return lambda row: row.get('kind') == kind and row['rest'].startswith(rest)


def divide(rows):
    """The last request's rows, by step."""
    accept = last(rows, len(rows) - 1, 'accept')
    while 'fd' not in rows[accept]['rest']:  # the one that says that there are no more
        accept = last(rows, accept - 1, 'accept')
    woken = last(rows, accept, 'waited')
    read = first(rows, accept, of_kind('read'))
    completions = first(rows, read, lambda row: row.get('kind') == 'phase' and row['phase'] == 6)
    begin = next((it for it in rows[read:] if it.get('kind') == 'begin'), None)
    answer = first(rows, read, of_kind('write'))
    asked = begin['cause'] if begin else [it for it in rows[read:answer] if it.get('kind') == 'submit'][-1]['number']
    attempt = first(rows, first(rows, read, lambda row: row.get('number') == asked), of_kind('turn'))
    after_attempt = first(rows, attempt + 1, of_kind('turn'))
    end = first(rows, answer, of_kind('close', 'stream'))
    over = first(rows, end, of_kind('turn'))
    starts = {'sleep': last(rows, woken, 'turn'), 'accept': woken, 'request': first(rows, accept, of_kind('turn')),
        'open': completions, 'attempt': attempt}
    if begin:
        starts['pool'] = after_attempt
        starts['answer'] = last(rows, answer, 'waited', 'turn')
    starts['end'] = first(rows, answer, of_kind('turn'))
    places = [*starts.values(), over]
    steps = {name: rows[places[i]:places[i + 1]] for i, name in enumerate(starts)}
    if begin:  # the thread's rows are there whatever the loop does meanwhile
        threads = [it for it in rows[starts['sleep']:over] if it['thread'] != 'loop']
        steps = {name: [it for it in part if it not in threads] for name, part in steps.items()}
        steps['pool'] = sorted(steps['pool'] + threads, key=lambda it: it['us'])
    return {name: steps.get(name, []) for name in STEPS}


def key_of(row):
    return row['kind'], re.sub(r'\d[\d.]*', '', row['rest'])


def take_times(steps, plain):
    """What differs is told of the run that was left alone, where it has the same record; calls have no time."""
    for name, rows in steps.items():
        for row in rows:
            row['us'], row['number'], row['cause'] = None, 0, 0
        for thread in {it['thread'] for it in rows}:
            ours = [it for it in rows if it['thread'] == thread and 'kind' in it]
            theirs = [it for it in plain[name] if it['thread'] == thread]
            match = difflib.SequenceMatcher(None, [*map(key_of, ours)], [*map(key_of, theirs)], autojunk=False)
            for block in match.get_matching_blocks():
                for i in range(block.size):
                    its = theirs[block.b + i]
                    ours[block.a + i].update({key: its[key] for key in ('us', 'rest', 'number', 'cause')})


def add_lines(steps, root):
    lines = find_lines(root)
    for rows in steps.values():
        for row in rows:
            row['line'] = line_of(lines, row)


# --- All of it ---

def span_of(steps):
    """When the connection was told of, and how long after that the answer was written."""
    since = next(it['us'] for it in steps['accept'] if it['kind'] == 'event')
    return since, next(it['us'] for rows in steps.values() for it in rows if it['kind'] == 'write') - since


def watch(eddy, root, work):
    """Of some runs that were left alone the quickest in which a thread of the pool has read the file."""
    runs = []
    for _ in range(TRIES):
        serve(eddy, work)
        runs.append(divide(read_records(work)))
    plain = min(runs, key=lambda it: (not it['pool'], span_of(it)[1]))
    since, answered_us = span_of(plain)
    result = {'why': '', 'answered_us': answered_us, 'steps': plain}
    try:
        result['steps'] = watch_calls(eddy, root, work, plain)
    except NotSeen as why:
        result['why'] = f'no system calls: {why}'
    for rows in result['steps'].values():
        for row in rows:
            if row['us'] is not None:
                row['us'] -= since
    return result


def watch_calls(eddy, root, work, plain):
    if not shutil.which('strace'):
        raise NotSeen('there is no strace')
    command = ['strace', '-f', '-T', '-s', '24', '--absolute-timestamps=format:unix,precision:ns', '-e', 'signal=none',
        '-e', f'trace={TRACED}', '-o', work / 'strace.txt']
    if can_run(*command, '-k', 'true'):
        command.append('-k')
    elif not can_run(*command, 'true'):
        raise NotSeen('strace may not trace')
    for tries in range(TRIES):
        serve(eddy, work, command)
        records, calls = read_records(work), read_calls(work)
        try:
            put_on_clock(calls, records)
            find_frames(eddy, root, calls)
            steps = divide(merge(records, calls))
            check(steps, plain)
        except NotSeen:
            if tries == TRIES - 1:
                raise
            continue
        take_times(steps, plain)
        return steps


def check(steps, plain):
    if bool(steps['pool']) != bool(plain['pool']):
        raise NotSeen('the file was in the page cache once, and once not')
    for rows in steps.values():
        for row in rows:
            if row.get('kind') in (*TOLD_AFTER, *TOLD_BEFORE) and 'call' not in row:
                raise NotSeen(f'a record has no call: {row["kind"]} {row["rest"]}')


def see(eddy, root):
    """What docs/22-request.md shows. With SOURCE_DATE_EPOCH nothing is run, so that all builds are the same."""
    empty = {name: [] for name in STEPS}
    find_lines(root)
    if 'SOURCE_DATE_EPOCH' in os.environ:
        return {'why': 'a build that is to be the same each time runs nothing', 'steps': empty}
    with tempfile.TemporaryDirectory() as work:
        try:
            result = watch(Path(eddy).resolve(), root, Path(work))
        except (NotSeen, StopIteration, OSError) as why:
            return {'why': f'nothing was seen: {why}', 'steps': empty}
    add_lines(result['steps'], root)
    return result


def print_text(result):
    print(result['why'] or f'{result["answered_us"]:.0f} us until it was answered')
    for name, rows in result['steps'].items():
        print(f'\n{name}:' if rows else f'\n{name}: not in this run')
        for row in rows:
            time_us = '' if row['us'] is None else f'{row["us"]:.1f}'
            record = f'{row["kind"]} {row["rest"]}'.strip() if 'kind' in row else ''
            path, line, function, _ = row['line'] or ('', '', '', '')
            print(f'{time_us:>10} {row["thread"]:6} {record:34.34} {row.get("call", ""):54.54} '
                  + (f'{path}:{line} {function}' if path else ''))


def main(eddy, root, out=None):
    result = see(eddy, Path(root).resolve())
    if out:
        Path(out).write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    else:
        print_text(result)


if __name__ == '__main__':
    main(*sys.argv[1:])
