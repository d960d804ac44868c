"""request_lines.py: the steps of one request, and the lines of source that are behind its records and its calls.
A line is found by what it says, so that it stays right when lines move; one that is gone ends the build.
tests/request.py compares them with the stacks of the calls."""
import re
import sys

# Each with what is known of it without a run: names of LINES.
STEPS = {
    'sleep': ('turn', 'flush', 'wait'),
    'accept': ('event', 'accept', 'call listener', 'add', 'timer-start'),
    'request': ('wait', 'event', 'read', 'call stream', 'submit'),
    'open': ('completions', 'open', 'call file', 'submit'),
    'attempt': ('completions', 'read without waiting'),
    'pool': ('begin', 'read in a thread', 'done', 'wakeup'),
    'answer': ('wait', 'completions', 'call file', 'write'),
    'end': ('read', 'call end', 'remove', 'close', 'closing', 'call closed'),
}

STATEMENT_MAX = 4  # lines that are quoted
LOOP = 'src/core/loop.c'
# name: file, what the line says, the record (kind, rest, phase) or None, the call or None
LINES = {
    'turn': (LOOP, 'eddy__observe_turn(loop);', 'turn .*', None),
    'flush': (LOOP, 'eddy__observe_phase(loop, 1);', 'phase flush .*', None),
    'wait': (LOOP, 'count = loop_ask_backend(loop, is_waiting ? timeout_ns : 0); /* phase 2 */',
        '(phase wait|wait|waited) .*', r'epoll_p?wait2?\(.*'),
    'timers': (LOOP, 'eddy__observe_phase(loop, 4);', 'phase timers .*', None),
    'ready': (LOOP, 'eddy__observe_phase(loop, 5);\n        ready_run(loop, count);\n', 'phase ready .*', None),
    'completions': (LOOP, 'eddy__observe_phase(loop, 6);', 'phase completions .*', None),
    'deferred': (LOOP, 'eddy__observe_phase(loop, 7);', 'phase deferred .*', None),
    'closing': (LOOP, 'eddy__observe_phase(loop, 8);', 'phase closing .*', None),
    'event': ('src/core/ready.c', 'eddy__observe_event(loop, fd,', 'event .*', None),
    'accept': ('src/net/listener.c', 'eddy_os_accept(eddy_io_fd(io)', 'accept .*', r'accept4?\(.*'),
    'add': ('src/core/io.c', 'int err = loop_backend(loop)->add(', 'add .*', r'epoll_ctl\(.*_ADD.*'),
    'remove': ('src/core/io.c', 'int err = loop_backend(loop)->remove(', 'remove .*', r'epoll_ctl\(.*_DEL.*'),
    'read': ('src/net/stream_read.c', 'return eddy_os_receive(stream_fd(stream)', 'read .*', r'recvfrom\(.*'),
    'write': ('src/net/net.h', 'return eddy_os_send(stream_fd(stream)', 'write .*', r'send(to|msg)\(.*'),
    'call listener': ('src/net/listener.c', 'CALLBACK(listener_loop(listener), EDDY_KIND_LISTENER, listener, '
        'listener->accept_fn,\n', 'call listener .* 5', None),
    'call end': ('src/net/stream_read.c', 'CALLBACK(stream_loop(stream), read_called(stream), stream, stream->read_fn, '
        'stream, NULL,', None, None),
    'call stream': ('src/net/stream_read.c', 'CALLBACK(stream_loop(stream), read_called(stream), stream, '
        'stream->read_fn, stream,\n                 stream->read_data, size);', 'call stream .* 5', None),
    'call closed': ('src/net/stream.c', 'CALLBACK(stream_loop(stream), EDDY_KIND_STREAM, stream, stream->close_fn, '
        'stream);', 'call stream .* 8', None),
    'call file': ('src/work/file.c', 'CALLBACK(work->loop, file_called(file), file, file->fn, file);', 'call file .*',
        None),
    'call defer': ('src/core/defer.c', 'CALLBACK(loop, handle_called(&defer->handle, EDDY_KIND_DEFER)', 'call defer .*',
        None),
    'timer-start': ('src/core/timer.c', 'EDDY_TRACE_TIMER_START, EDDY_KIND_TIMER', 'timer-start .*', None),
    'timer-stop': ('src/core/timer.c', 'EDDY_TRACE_TIMER_STOP, EDDY_KIND_TIMER', 'timer-stop .*', None),
    'submit': ('src/work/work.c', 'work_note(work, EDDY_TRACE_SUBMIT, EDDY_LANE_FILE);', 'submit .*', None),
    'defer': ('src/core/defer.c', 'EDDY_TRACE_DEFER, EDDY_KIND_DEFER', 'defer .*', None),
    'close': ('src/core/closing.c', 'observe_note(loop, EDDY_TRACE_CLOSE', 'close .*', None),
    'open': ('src/work/file_run.c', 'return eddy_os_file_open(file->fd', None, r'openat2?\(.*'),
    'read without waiting': ('src/work/file_run.c', '? eddy_os_file_read(file->fd, file->data, 1', None,
        r'preadv2\(.*RWF_NOWAIT.*'),
    'read in a thread': ('src/work/file_run.c', 'return eddy_os_file_read(file->fd, window', None,
        r'p?readv?(64)?\(.*'),
    'begin': ('src/work/worker.c', 'EDDY_TRACE_BEGIN, what', 'begin .*', None),
    'done': ('src/work/worker.c', 'EDDY_TRACE_DONE, what', 'done .*', None),
    'wakeup': ('src/core/wakeup.c', 'eddy_os_write(wakeup->ends[1]', 'wakeup .*', r'write\(.*'),
}


def function_of(lines, number):
    """The function that has the line."""
    for line in reversed(lines[:number]):
        if (found := re.match(r'[A-Za-z_][^;=]*?(\w+)\(', line)) and not line.startswith('#'):
            return found[1]
    return ''


def place(root, path, number, function=''):
    """What is shown of a line: path, number, function, text up to the end of the statement."""
    lines = (root / path).read_text(encoding='utf-8').splitlines()
    text = lines[number - 1].strip()
    for line in lines[number:number + STATEMENT_MAX - 1]:
        if text.endswith((';', '{', '}')):
            break
        text += ' ' + line.strip()
    return path, number, function or function_of(lines, number), text


def find_lines(root):
    """{name: what is shown of it}, and the functions that tell which belongs to what."""
    found = {'root': root}
    for name, (path, says, *_) in LINES.items():
        text = (root / path).read_text(encoding='utf-8')
        if says not in text:
            sys.exit(f'request_lines.py: {path} has no line with "{says}"')
        found[name] = place(root, path, text.count('\n', 0, text.index(says)) + 1)
    return found


def name_of(row, column):
    """That of the line behind a row's record (column 2) or its call (3), or None."""
    text = row.get('call', '')
    if column == 2:
        text = f'{row["kind"]} {row["rest"]} {row["phase"]}' if 'kind' in row else ''
    return next((name for name, it in LINES.items() if text and it[column] and re.fullmatch(it[column], text)), None)


def line_of(lines, row):
    """Of a call the line in its stack that the table has, else the first one above platform/."""
    name, frames = name_of(row, 3), row.get('frames', [])
    if name and (not frames or any(tuple(it[1:]) == lines[name][:2] for it in frames)):
        return lines[name]
    if frames:
        function, path, number = next((it for it in frames if not it[1].startswith('platform/')), frames[0])
        return place(lines['root'], path, number, function)
    name = name_of(row, 2)
    return lines[name] if name else None
