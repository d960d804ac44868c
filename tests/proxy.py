"""proxy.py PROGRAM BACKEND [--measure]: docs/examples/proxy.c between clients and upstreams that end, reset, stop reading
and do not answer; 200 MB through it, byte for byte, in bounded memory; curl through it to nginx."""
import hashlib
import resource
import selectors

from proxy_nginx import *
from proxy_support import *

can_hangup = backend != 'select'


def start(*upstreams, options=(), limits=None):
    return Program(program, '-b', backend, *options, '127.0.0.1:0', *upstreams, limits=limits)


def pair(proxy, upstream, receive_bytes=None):
    client = proxy.connect(receive_bytes)
    return client, upstream.accept()


def both_ways_and_half_closes():
    upstream = Upstream()
    with start(upstream.name) as proxy:
        client, server = pair(proxy, upstream)
        client.sendall(b'question')
        assert server.recv(100) == b'question'
        client.shutdown(socket.SHUT_WR)
        assert server.recv(100) == b''
        server.sendall(b'answer after the end')
        assert client.recv(100) == b'answer after the end'
        server.close()
        assert client.recv(100) == b''
        client.close()
        # The upstream ends first.
        client, server = pair(proxy, upstream)
        server.sendall(b'greeting')
        server.shutdown(socket.SHUT_WR)
        assert read_all(client) == b'greeting'
        client.sendall(b'still sending')
        client.close()
        assert read_all(server) == b'still sending'
        server.close()


def resets_are_passed_on():
    upstream = Upstream()
    with start(upstream.name) as proxy:
        client, server = pair(proxy, upstream)
        reset(client)
        assert is_reset(server)
        server.close()
        client, server = pair(proxy, upstream)
        reset(server)
        assert is_reset(client)
        client.close()


def a_paused_side_that_goes_is_noticed():
    if not can_hangup:
        return
    upstream = Upstream(receive_bytes=4096)
    with start(upstream.name) as proxy:
        client, server = pair(proxy, upstream)
        fill(client)
        reset(client)
        until('the upstream is cut', lambda: is_broken(server))
        server.close()
        # Not by an end, after which it may still listen, but by a reset after it.
        client, server = pair(proxy, upstream)
        client.sendall(b'all')
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == b'all'
        reset(client)
        until('the upstream is cut', lambda: is_broken(server))
        server.close()
        # The other way: a client that does not read, and an upstream that is cut.
        client, server = pair(proxy, upstream, receive_bytes=4096)
        fill(server)
        reset(server)
        until('the client is cut', lambda: is_broken(client))
        client.close()


def paused_bytes_are_not_lost_at_an_end():
    upstream = Upstream(receive_bytes=4096)
    with start(upstream.name) as proxy:
        client, server = pair(proxy, upstream)
        sent = fill(client)
        client.close()
        assert len(read_all(server)) == sent
        server.close()


def the_next_upstream_is_tried():
    holder, refused = free_port()
    upstream = Upstream()
    with start(refused, upstream.name, options=['-r', '0.5']) as proxy:
        for _ in range(4):
            client, server = pair(proxy, upstream)
            client.close()
            server.close()
        until('it is told', lambda: any('refused' in line for line in proxy.errors))
        assert len(proxy.errors) == 1, proxy.errors
        holder.close()
        back = Upstream(port=int(refused.rpartition(':')[2]))
        clients = []
        until('it is tried again', lambda: clients.append(proxy.connect()) or back.has_one())
        for client in clients:
            client.close()
        until('it is told', lambda: any('back' in line for line in proxy.errors))
        upstream.close()  # and who waits there is cut
        back.close()


def upstreams_take_turns():
    upstreams = [Upstream(), Upstream(), Upstream()]
    with start(*[it.name for it in upstreams]) as proxy:
        clients = [proxy.connect() for _ in range(9)]
        for _ in range(3):
            for upstream in upstreams:
                upstream.accept().close()
        for client in clients:
            client.close()


def silent_upstream():
    """One whose backlog is full: SYNs are dropped."""
    it = Upstream(backlog=0)
    holders = []
    while True:
        holder = socket.socket()
        holder.setblocking(False)
        holder.connect_ex(it.socket.getsockname())
        holders.append(holder)
        if not select.select([], [holder], [], 0.2)[1]:
            return it, holders


def slow_to_connect():
    silent, holders = silent_upstream()
    upstream = Upstream()
    with start(silent.name, upstream.name, options=['-t', '0.2']) as proxy:
        client, server = pair(proxy, upstream)
        client.sendall(b'sent meanwhile')
        assert server.recv(100) == b'sent meanwhile'
        client.close()
        server.close()
    # A client that leaves while nobody has connected.
    if can_hangup:
        with start(silent.name, options=['-t', '60']) as proxy:
            client = proxy.connect()
            until('it is accepted', lambda: proxy.count_descriptors() > proxy.descriptors)
            reset(client)
    for holder in holders:
        holder.close()


def nobody_is_there():
    holder, refused = free_port()
    with start(refused) as proxy:
        for _ in range(3):
            try:
                client = proxy.connect()
            except ConnectionResetError:  # already
                continue
            assert is_reset(client)
            client.close()
    holder.close()


def silence_is_cut():
    upstream = Upstream()
    with start(upstream.name, options=['-i', '0.3']) as proxy:
        client, server = pair(proxy, upstream)
        assert is_reset(client) and is_reset(server)
        client.close()
        server.close()


def connections_are_limited():
    upstream = Upstream()

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    for options, limits in ((['-n', '2'], None), ([], None if is_checked else few)):
        if not options and not limits:
            continue
        with start(upstream.name, options=options, limits=limits) as proxy:
            pairs = [pair(proxy, upstream), pair(proxy, upstream)]
            third = proxy.connect()
            third.sendall(b'third')
            time.sleep(0.1)  # in which nothing must happen
            assert not upstream.has_one()
            for it in pairs.pop():
                it.close()
            server = upstream.accept()
            assert server.recv(100) == b'third'
            for it in (*pairs.pop(), third, server):
                it.close()


def signals_end_it():
    upstream = Upstream()
    with start(upstream.name) as proxy:
        client, server = pair(proxy, upstream)
        proxy.signal(signal.SIGTERM)

        def is_refused():
            try:
                reset(socket.create_connection(proxy.address))
            except ConnectionRefusedError:
                return True
        until('nobody is accepted', is_refused)
        client.sendall(b'goes on')
        assert server.recv(100) == b'goes on'
        client.close()
        server.close()
        assert proxy.child.wait(PATIENCE) == 0
        proxy.may_end = True
    with start(upstream.name) as proxy:
        client, server = pair(proxy, upstream)
        proxy.signal(signal.SIGINT)
        until('nobody is accepted', is_refused)
        proxy.signal(signal.SIGTERM)
        assert is_reset(client) and is_reset(server)
        assert proxy.child.wait(PATIENCE) == 0
        proxy.may_end = True
        client.close()
        server.close()


def curl_to_nginx():
    if not has_nginx():
        return
    work = tempfile.mkdtemp()
    os.chmod(work, 0o755)
    child = None
    try:
        child, port = run_files(work, 3 << 20)
        with start(f'127.0.0.1:{port}') as proxy:
            url = 'http://%s:%d' % proxy.address
            ask_by_curl(url, work)
            child.terminate()
            child.wait()
            lost = subprocess.run(['curl', '-s', '-m', str(PATIENCE), f'{url}/big'], capture_output=True)
            assert lost.returncode in (7, 52, 56), lost  # a reset, or an end without an answer
    finally:
        if child is not None and child.poll() is None:
            child.terminate()
            child.wait()
        shutil.rmtree(work, ignore_errors=True)


def wrong_arguments():
    for arguments in ([], ['127.0.0.1:0'], ['127.0.0.1:0', 'nowhere:1'], ['127.0.0.1:0', '127.0.0.1:0'],
                      ['127.0.0.1:x', '127.0.0.1:1'], ['-i', '-1', '127.0.0.1:0', '127.0.0.1:1'], ['-n', '0'],
                      ['-x'], ['127.0.0.1:99999', '127.0.0.1:1'], ['127.0.0.1:0'] + ['127.0.0.1:1'] * 65):
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and 'usage:' in done.stderr, (arguments, done)
    done = subprocess.run([program, '-b', 'nothing', '127.0.0.1:0', '127.0.0.1:1'], capture_output=True, text=True)
    assert done.returncode == 1 and 'loop' in done.stderr, done


PIECE = bytes(range(256)) * 256  # 64 KiB
TOTAL = (20 if is_checked or backend != 'epoll' else 200) << 20


def send_pattern(it, total):
    digest = hashlib.blake2b()
    for i in range(total // len(PIECE)):
        piece = struct.pack('>Q', i) + PIECE[8:]
        digest.update(piece)
        it.sendall(piece)
    it.shutdown(socket.SHUT_WR)
    return digest.digest()


def pass_through(proxy, upstream, readers):
    """What `readers` slow ones get, of TOTAL in all: 4 KiB at a time, into small buffers."""
    total = TOTAL // readers // len(PIECE) * len(PIECE)
    sums, digests = {}, {}
    selector = selectors.DefaultSelector()
    threads = []

    def send(number, server):
        sums[number] = send_pattern(server, total)
    for number in range(readers):
        client, server = pair(proxy, upstream, receive_bytes=4096)
        client.setblocking(False)
        digests[number] = hashlib.blake2b()
        selector.register(client, selectors.EVENT_READ, number)
        threads.append(threading.Thread(target=send, args=(number, server)))
        threads[-1].start()
    while selector.get_map():
        for key, _ in selector.select(PATIENCE):
            piece = key.fileobj.recv(4096 if readers > 1 else 65536)
            if piece:
                digests[key.data].update(piece)
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()
    for thread in threads:
        thread.join()
    for number in range(readers):
        assert digests[number].digest() == sums[number], number


def fill_all(proxy, upstream, readers):
    """Clients that do not read at all, until nobody can send any more: all kernels' buffers are full."""
    pairs = [pair(proxy, upstream, receive_bytes=4096) for _ in range(readers)]
    for _, server in pairs:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        server.setblocking(False)
    last = time.monotonic()
    while time.monotonic() < last + 0.3:
        for _, server in pairs:
            try:
                server.send(PIECE)
                last = time.monotonic()
            except BlockingIOError:
                pass
        time.sleep(0.001)
    for client, server in pairs:
        reset(client)
        server.close()


def memory_is_bounded():
    upstream = Upstream(backlog=200)
    with start(upstream.name) as proxy:
        before = proxy.memory()
        told = []
        for readers in (1, 100):
            pass_through(proxy, upstream, readers)
            told.append(f'{readers} slow: {proxy.memory()} KiB')
            if not is_checked:
                assert proxy.memory() - before < 1024 + readers * (64 + 16), (before, told)
        readers = 5 if is_checked else 100 if is_measured else 30
        fill_all(proxy, upstream, readers)
        told.append(f'{readers} that do not read: {proxy.memory()} KiB')
        assert is_checked or proxy.memory() - before < 1024 + readers * (64 + 16), (before, told)
        print(f'    {TOTAL >> 20} MiB; at the start {before} KiB; ' + '; '.join(told))


run_cases([wrong_arguments, both_ways_and_half_closes, resets_are_passed_on, a_paused_side_that_goes_is_noticed,
           paused_bytes_are_not_lost_at_an_end, the_next_upstream_is_tried, upstreams_take_turns, slow_to_connect,
           nobody_is_there, silence_is_cut, connections_are_limited, signals_end_it, curl_to_nginx, memory_is_bounded])
