"""proxy_measure.py PROXY HTTP_PROXY [backend]: what passing on costs, against what there is of nginx (NGINX_STREAM: the
path of ngx_stream_module.so), haproxy and socat (in PATH), one after the other in each round. Processor time is
of the proxy alone, from /proc. Figures of one machine mean little; the ratios are what chapter 15 quotes."""
import collections
import shutil
import sys
import tempfile

started = []
programs = {'proxy': sys.argv[1], 'http_proxy': sys.argv[2]}
sys.argv[1:] = [sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else 'epoll']
from http_proxy import *

ROUNDS = int(os.environ.get("ROUNDS", 5))
BULK = 1 << 30
TICK = os.sysconf('SC_CLK_TCK')


def processor_s(child):
    """Of a process and its children: a tick is 10 ms, so that a round has to last."""
    total = 0
    for pid in os.listdir('/proc'):
        if not pid.isdigit():
            continue
        try:
            with open(f'/proc/{pid}/stat') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue
        if int(pid) == child.pid or int(fields[1]) == child.pid:
            total += int(fields[11]) + int(fields[12]) + (int(fields[13]) + int(fields[14]) if int(pid) == child.pid else 0)
    return total / TICK


def run(command, **options):
    child = subprocess.Popen(command, **options)
    started.append(child)
    return child


def wait_for(port):
    def is_up():
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            return True
        except ConnectionRefusedError:
            return False
    until('it is up', is_up)


def free_number():
    holder, name = free_port()
    holder.close()
    return int(name.rpartition(':')[2])


def bulk(port, upstream):
    """One connection that carries BULK bytes, from pieces of 64 KiB to a reader of 64 KiB."""
    client = socket.create_connection(('127.0.0.1', port))
    server = upstream.accept()

    def send():
        for _ in range(BULK // len(PIECE)):
            server.sendall(PIECE)
        server.close()
    thread = threading.Thread(target=send)
    start_s = time.monotonic()
    thread.start()
    buffer, size = bytearray(1 << 16), 0
    while taken := client.recv_into(buffer):
        size += taken
    thread.join()
    client.close()
    assert size == BULK, size
    return time.monotonic() - start_s


def measure_tcp(work):
    upstream = Upstream(backlog=64)
    upstream.socket.settimeout(60)
    candidates = {}
    for name, options in (('eddy proxy', []), ('eddy proxy -m 16384', ['-m', '16384'])):
        it = Program(programs['proxy'], '-b', backend, *options, '127.0.0.1:0', upstream.name)
        started.append(it.child)
        candidates[name] = (it.child, it.address[1])
    module = os.environ.get('NGINX_STREAM')
    if module:
        for name, extra in (('nginx stream', ''), ('nginx stream, buffers of 64 KiB', 'proxy_buffer_size 64k;')):
            port = free_number()
            conf = f'{work}/stream{port}.conf'
            with open(conf, 'w') as file:
                file.write(f'load_module {module}; daemon off; worker_processes 1; error_log {work}/e; pid {work}/p{port}; events {{}} '
                           f'stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {upstream.name}; {extra} }} }}')
            candidates[name] = (run(['nginx', '-e', f'{work}/e', '-c', conf]), port)
    if shutil.which('haproxy'):
        port = free_number()
        with open(f'{work}/haproxy', 'w') as file:
            file.write(f'global\n nbthread 1\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n'
                       f'listen l\n bind 127.0.0.1:{port}\n server s {upstream.name}\n')
        candidates['haproxy'] = (run(['haproxy', '-f', f'{work}/haproxy'], stderr=subprocess.DEVNULL), port)
    if shutil.which('socat'):
        port = free_number()
        candidates['socat -b65536'] = (run(['socat', '-b65536', f'TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr', f'TCP:{upstream.name}']), port)
    for name, (child, port) in candidates.items():
        wait_for(port)
        while True:  # that of the look whether it is up
            if not select.select([upstream.socket], [], [], 0.2)[0]:
                break
            upstream.accept().close()
    costs, rates = collections.defaultdict(list), collections.defaultdict(list)
    for _ in range(ROUNDS):
        for name, (child, port) in candidates.items():
            before = processor_s(child)
            rates[name].append(BULK / bulk(port, upstream) / (1 << 20))
            time.sleep(0.05)  # socat's child is to be waited for
            costs[name].append((processor_s(child) - before) / (BULK / 65536) * 1e6)
    report('TCP, one connection, per 64 KiB', candidates, costs, rates, 'us', 'MiB/s')
    print(f'system calls for {64} MiB:')
    if shutil.which('strace'):
        for name, (child, port) in candidates.items():
            if not name.startswith('socat'):
                count_calls(name, child, port, upstream)
    for child, _ in candidates.values():
        child.terminate()
        child.wait()


def count_calls(name, child, port, upstream):
    global BULK
    pid = child.pid
    for other in os.listdir('/proc'):  # nginx's worker
        if other.isdigit():
            try:
                with open(f'/proc/{other}/stat') as file:
                    if int(file.read().rpartition(')')[2].split()[1]) == child.pid:
                        pid = int(other)
            except OSError:
                pass
    tracer = subprocess.Popen(['strace', '-fcqq', '-p', str(pid)], stderr=subprocess.PIPE, text=True)
    until('it is traced', lambda: 'TracerPid:\t0' not in open(f'/proc/{pid}/status').read())
    before, BULK = BULK, 64 << 20
    bulk(port, upstream)
    BULK = before
    tracer.send_signal(signal.SIGINT)
    text = tracer.communicate()[1]
    calls = {line.split()[-1]: int(line.split()[3]) for line in text.splitlines() if re.match(r'\s*\d', line) and 'total' not in line}
    total = sum(calls.values())
    print(f'    {name}: {total / 1024:.2f} a piece of 64 KiB: ' + ', '.join(f'{count} {call}' for call, count in list(calls.items())[:4]))


def report(title, candidates, costs, rates, cost_unit, rate_unit):
    print(f'{title}; {ROUNDS} rounds, the median (least to most)')
    names = list(candidates)
    for name in names:
        cost, rate = sorted(costs[name]), sorted(rates[name])
        ratio = sorted(a / b for a, b in zip(costs[name], costs[names[0]]))[ROUNDS // 2]
        print(f'    {name}: {cost[ROUNDS // 2]:.1f} {cost_unit} ({cost[0]:.1f} to {cost[-1]:.1f}), x {ratio:.2f} of the first; '
              f'{rate[ROUNDS // 2]:.0f} {rate_unit} ({rate[0]:.0f} to {rate[-1]:.0f}); {memory_of(candidates[name][0])} KiB')


def memory_of(child):
    most = 0
    for pid in os.listdir('/proc'):
        try:
            with open(f'/proc/{pid}/status') as file:
                text = file.read()
            if pid == str(child.pid) or f'PPid:\t{child.pid}\n' in text:
                most = max(most, int(re.search(r'VmHWM:\s+(\d+)', text)[1]))
        except (OSError, TypeError):
            pass
    return most


def measure_http(work):
    for size in (100, 1 << 20):
        with open(f'{work}/{size}', 'wb') as file:
            file.write(os.urandom(size))
    back, back_port = run_nginx(work, f'server {{ listen 127.0.0.1:PORT; root {work}; access_log off; open_file_cache max=10; sendfile on; }}')
    started.append(back)
    upstream = f'127.0.0.1:{back_port}'
    it = Program(programs['http_proxy'], '-b', backend, '127.0.0.1:0', upstream)
    started.append(it.child)
    candidates = {'eddy http_proxy': (it.child, it.address[1])}
    for name, extra in (('nginx proxy_pass', ''), ('nginx, proxy_buffering off', 'proxy_buffering off;')):
        candidates[name] = it = run_nginx(work, f'''upstream p {{ server {upstream}; keepalive 32; keepalive_requests 1000000; }}
            server {{ listen 127.0.0.1:PORT; location / {{ proxy_pass http://p; proxy_http_version 1.1;
            proxy_set_header Connection ""; {extra} }} }}''')
        started.append(it[0])
    if shutil.which('haproxy'):
        port = free_number()
        with open(f'{work}/haproxy', 'w') as file:
            file.write(f'global\n nbthread 1\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n'
                       f'listen l\n bind 127.0.0.1:{port}\n http-reuse safe\n server s {upstream}\n')
        candidates['haproxy'] = (run(['haproxy', '-f', f'{work}/haproxy'], stderr=subprocess.DEVNULL), port)
        wait_for(port)
    for path, connections, pieces_each in (('100', 1, 0), ('100', 32, 0), (str(1 << 20), 4, 16)):
        costs, rates = collections.defaultdict(list), collections.defaultdict(list)
        for _ in range(ROUNDS):
            for name, (child, port) in candidates.items():
                before = processor_s(child)
                text = subprocess.run(['wrk', '-t1', f'-c{connections}', '-d2', f'http://127.0.0.1:{port}/{path}'], capture_output=True, text=True).stdout
                requests = int(re.search(r'(\d+) requests in', text)[1])
                assert 'Non-2xx' not in text, text
                rates[name].append(float(re.search(r'Requests/sec:\s+([\d.]+)', text)[1]))
                costs[name].append((processor_s(child) - before) / requests * 1e6 / (pieces_each or 1))
        report(f'HTTP, {path} bytes, {connections} connections, per {"64 KiB" if pieces_each else "request"}', candidates, costs, rates, 'us', 'requests/s')
    for child, _ in candidates.values():
        child.terminate()
        child.wait()
    back.terminate()
    back.wait()


if __name__ == '__main__':
    directory = tempfile.mkdtemp()
    os.chmod(directory, 0o755)
    try:
        measure_tcp(directory)
        if shutil.which('nginx') and shutil.which('wrk'):
            measure_http(directory)
    finally:
        for it in started:
            if it.poll() is None:
                it.terminate()
                it.wait()
        shutil.rmtree(directory, ignore_errors=True)
