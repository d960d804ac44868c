"""http_proxy.py PROGRAM BACKEND [--measure]: docs/examples/http_proxy.c between clients and upstreams that are
whole, broken, slow, gone or hostile; 200 MB each way, byte for byte, in bounded memory; nginx on both sides."""
import hashlib
import http.client

from proxy_nginx import *
from proxy_support import *


def start(*upstreams, options=()):
    return Program(program, '-b', backend, *options, '127.0.0.1:0', *upstreams)


def read_head(it):
    """The head that comes, its lines, and what came behind it."""
    data = b''
    while b'\r\n\r\n' not in data:
        piece = it.recv(65536)
        if not piece:
            raise EOFError(data)
        data += piece
    head, rest = data.split(b'\r\n\r\n', 1)
    return head.decode().split('\r\n'), rest


class Connection(http.client.HTTPConnection):
    def __init__(self, proxy):
        super().__init__(*proxy.address, timeout=PATIENCE)


def get(proxy, path='/', method='GET', body=None, headers={}):
    it = Connection(proxy)
    it.request(method, path, body, headers)
    return it, it.getresponse()


def scripted(upstream, *scripts):
    """A thread that serves one connection after the other, each by a function of its own."""
    failures = []

    def serve():
        for script in scripts:
            it = upstream.accept()
            try:
                script(it)
            except Exception as error:
                failures.append(error)
            it.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def join():
        thread.join(PATIENCE)
        assert not thread.is_alive() and not failures, failures
    return join


def answer_with(data, slowly=False):
    def script(it):
        read_head(it)
        if slowly:
            for byte in data:
                it.sendall(bytes([byte]))
                time.sleep(0.0005)
        else:
            it.sendall(data)
    return script


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'


def heads_are_made_anew():
    upstream = Upstream()
    seen = []

    def script(it):
        seen.extend(read_head(it)[0])
        it.sendall(b'HTTP/1.1 404 Nothing Here\r\nContent-Length: 3\r\nConnection: X-Hop\r\nX-Hop: 1\r\n'
                   b'Keep-Alive: 5\r\nX-Two: a\r\nX-Two: b\r\nServer: other\r\nProxy-Authenticate: x\r\n\r\nabc')
    with start(upstream.name) as proxy:
        join = scripted(upstream, script)
        client = proxy.connect()
        client.sendall(b'GET http://who.example/a%20b?c=%2f HTTP/1.1\r\nHost: other.example\r\nTE: trailers\r\n'
                       b'connection: X-Secret , keep-alive\r\nX-Secret: 1\r\nx-forwarded-for: 10.0.0.1\r\n'
                       b'Proxy-Authorization: x\r\nCookie: a=1\r\nCookie: b=2\r\nUpgrade: h2c\r\n\r\n')
        head, rest = read_head(client)
        join()
        assert seen[0] == 'GET /a%20b?c=%2f HTTP/1.1', seen
        assert sorted(seen[1:]) == ['Cookie: a=1; b=2', 'Host: who.example', 'Via: 1.1 eddy',
                                    'X-Forwarded-For: 10.0.0.1, 127.0.0.1'] or \
            sorted(seen[1:]) == ['Cookie: a=1', 'Cookie: b=2', 'Host: who.example', 'Via: 1.1 eddy',
                                 'X-Forwarded-For: 10.0.0.1, 127.0.0.1'], seen
        assert head[0] == 'HTTP/1.1 404 Not Found' and rest == b'abc', (head, rest)
        assert [line for line in head if line.startswith('X-')] == ['X-Two: a', 'X-Two: b'], head
        assert not [line for line in head if line.lower().startswith(('keep-alive', 'proxy-'))], head
        assert 'Via: 1.1 eddy' in head, head
        client.close()
        # HTTP/1.0, and the target of an absolute form that has no path.
        for line, target in ((b'GET / HTTP/1.0\r\n', 'GET / HTTP/1.1'), (b'GET http://a HTTP/1.0\r\n', 'GET / HTTP/1.1'),
                             (b'GET http://a?b HTTP/1.0\r\n', 'GET /?b HTTP/1.1'), (b'OPTIONS * HTTP/1.0\r\n', 'OPTIONS * HTTP/1.1')):
            seen.clear()
            join = scripted(upstream, script)
            client = proxy.connect()
            client.sendall(line + b'\r\n')
            assert read_all(client).endswith(b'abc')
            join()
            assert seen[0] == target, (line, seen)
            client.close()


def connections_are_kept():
    upstream = Upstream()
    count = 20

    def script(it):
        rest = b''
        for _ in range(count):
            while b'\r\n\r\n' not in rest:
                rest += it.recv(65536)
            rest = rest.split(b'\r\n\r\n', 1)[1]
            it.sendall(OK)

    with start(upstream.name) as proxy:
        join = scripted(upstream, script)
        for i in range(count):
            client, answer = get(proxy)
            assert answer.read() == b'ok'
            client.close()
        join()


def a_kept_connection_that_ends_costs_nothing():
    upstream = Upstream()

    def once_and_then_nothing(it):
        read_head(it)
        it.sendall(OK)
        read_head(it)  # the next one has no answer

    def post(it):
        head, rest = read_head(it)
        assert head[0].startswith('POST'), head
        it.sendall(OK)
    with start(upstream.name) as proxy:
        join = scripted(upstream, once_and_then_nothing, answer_with(OK), post)
        for method, body in (('GET', None), ('GET', None), ('POST', b'x')):
            client, answer = get(proxy, method=method, body=body)
            assert answer.status == 200 and answer.read() == b'ok', answer.status
            client.close()
        join()
        # What an idle one says is heard of at once, and is no answer.
        join = scripted(upstream, answer_with(OK + b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'), answer_with(OK))
        for _ in range(2):
            client, answer = get(proxy)
            assert answer.read() == b'ok'
            client.close()
        join()


def what_may_be_repeated_is():
    holder, refused = free_port()
    one, other = Upstream(), Upstream()

    def end(it):
        read_head(it)

    def cut(it):
        read_head(it)
        reset(it)
    with start(refused) as proxy:
        client, answer = get(proxy)
        assert answer.status == 502 and b'no upstream' in answer.read()
        client.close()
    with start(refused, one.name) as proxy:
        join = scripted(one, answer_with(OK), answer_with(OK))
        for method, body in (('GET', None), ('POST', b'never sent elsewhere')):
            client, answer = get(proxy, method=method, body=body)
            assert answer.status == 200, answer.status
            client.close()
        join()
    holder.close()
    for script in (end, cut):
        with start(one.name, other.name) as proxy:
            joins = scripted(one, script), scripted(other, answer_with(OK))
            client, answer = get(proxy)
            assert answer.status == 200, answer.status
            client.close()
            for join in joins:
                join()
            join = scripted(one, script)
            client, answer = get(proxy, method='POST', body=b'x')
            assert answer.status == 502, answer.status
            client.close()
            join()
            assert not other.has_one()


def slow_upstreams_are_given_up():
    upstream = Upstream()
    halves = {b'': 504, b'HTTP/1.1 200 OK\r\nX: y': 504, OK[:-1]: 200, OK.replace(b'2\r\n', b'3\r\n'): 200}
    with start(upstream.name, options=['-a', '0.3']) as proxy:
        for half, status in halves.items():
            def script(it):
                read_head(it)
                it.sendall(half)
                try:
                    assert it.recv(1) == b''  # given up
                except ConnectionResetError:
                    pass
            join = scripted(upstream, script)
            client, answer = get(proxy)
            assert answer.status == status, (half, answer.status)
            try:
                answer.read()
                assert status == 504
            except (http.client.IncompleteRead, ConnectionResetError):
                assert status == 200
            client.close()
            join()


def answers_of_all_forms():
    upstream = Upstream()
    chunks = (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;a="b"\r\nabc\r\n00A\r\n0123456789\r\n'
              b'0\r\nTrailer: x\r\nAnother: y\r\n\r\n')
    forms = [  # method, answer, status, body
        ('GET', OK, 200, b'ok'), ('GET', chunks, 200, b'abc0123456789'),
        ('GET', b'HTTP/1.1 200 OK\r\n\r\nuntil the end', 200, b'until the end'),
        ('GET', b'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 200, b'ok'),
        ('GET', b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n' + OK, 200, b'ok'),
        ('HEAD', b'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n', 200, b''),
        ('HEAD', b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 200, b''),
        ('GET', b'HTTP/1.1 204 No Content\r\n\r\n', 204, b''), ('GET', b'HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n', 304, b''),
        ('GET', b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 200, b''), ('GET', b'HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n', 599, b'')]
    for slowly in (False, True):
        with start(upstream.name) as proxy:
            for method, data, status, body in forms:
                until_end = b'until' in data
                join = scripted(upstream, answer_with(data, slowly))
                client, answer = get(proxy, method=method)
                if not until_end:
                    join()
                assert answer.status == status and answer.read() == body, (data, answer.status)
                if method == 'HEAD' and b'12345' in data:
                    assert answer.getheader('Content-Length') == '12345'
                join()
                client.close()


def answers_that_are_none():
    upstream = Upstream()
    bad = [b'nonsense\r\n\r\n', b'HTTP/2.0 200 OK\r\n\r\n', b'HTTP/1.1 2000 OK\r\n\r\n', b'HTTP/1.1 099 OK\r\n\r\n',
           b'HTTP/1.1  200 OK\r\n\r\n', b'HTTP/1.1 200OK\r\n\r\n', b'HTTP/1.1 200 O\x01K\r\n\r\n',
           b'HTTP/1.1 200 OK\r\nA b: c\r\n\r\n', b'HTTP/1.1 200 OK\r\nA : c\r\n\r\n', b'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
           b'HTTP/1.1 200 OK\r\nnone\r\n\r\n', b'HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n', b'HTTP/1.1 200 OK\r\nA: \0\r\n\r\n',
           b'HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n', b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
           b'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok', b'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
           b'HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok', b'HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\nok',
           b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
           b'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', b'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
           b'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n', b'HTTP/1.1 200 OK\r\n' + b'A: b\r\n' * 200 + b'\r\n',
           b'HTTP/1.1 200 OK\r\nA: ' + b'b' * 20000 + b'\r\n\r\n']
    cut = [b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort']
    for chunk in (b'x\r\n', b'\r\n', b'3 \r\nabc\r\n', b'3\nabc\r\n', b'3\r\nabcd\r\n', b'11111111111111111\r\n', b'3\r\nabc\r\n0\r\nA\x01\r\n\r\n',
                  b'3\r\nabc\r\n0\r\n\r', b'3\r\nabc\r\n', b'-1\r\n', b'0x3\r\nabc\r\n', b'3\r\nabc\r\n0\r\nA: b\n\r\n'):
        cut.append(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' + chunk)
    with start(upstream.name) as proxy:
        for data in bad:
            join = scripted(upstream, answer_with(data))
            client, answer = get(proxy, method='POST', body=b'x')
            assert answer.status == 502, (data, answer.status)
            assert answer.read() != b''
            client.close()
            join()
        for data in cut:
            join = scripted(upstream, answer_with(data))
            client, answer = get(proxy)
            assert answer.status in (200, 500), (data, answer.status)  # 500: nothing has been sent yet
            try:
                answer.read()
                assert answer.status == 500, data
            except (http.client.IncompleteRead, ConnectionResetError):
                pass
            client.close()
            join()


def bodies_go_up():
    upstream = Upstream()
    body = os.urandom(1 << 20)

    def length(it):
        head, rest = read_head(it)
        assert 'Content-Length: %d' % len(body) in head, head
        while len(rest) < len(body):
            rest += it.recv(65536)
        assert rest == body
        it.sendall(OK)

    def chunks(it):
        head, rest = read_head(it)
        assert 'Transfer-Encoding: chunked' in head and 'Expect' not in str(head), head
        decoded = b''
        while True:
            while b'\r\n' not in rest:
                rest += it.recv(65536)
            size, rest = rest.split(b'\r\n', 1)
            size = int(size, 16)
            while len(rest) < size + 2:
                rest += it.recv(65536)
            decoded, rest = decoded + rest[:size], rest[size + 2:]
            if size == 0:
                break
        assert rest == b'' and decoded == body
        it.sendall(OK)

    def nothing(it):
        head, rest = read_head(it)
        assert 'Content-Length: 0' in head and rest == b'', head
        it.sendall(OK)
    with start(upstream.name) as proxy:
        join = scripted(upstream, length, chunks, nothing)
        for data, headers in ((body, {}), ((body[i:i + 7777] for i in range(0, len(body), 7777)), {'Transfer-Encoding': 'chunked'}), (b'', {})):
            client = Connection(proxy)
            client.request('POST', '/', data, headers, encode_chunked=True)
            assert client.getresponse().read() == b'ok'
            client.close()
        join()
        # A client that waits for a 100, and chunks after it.
        join = scripted(upstream, chunks)
        client = proxy.connect()
        client.sendall(b'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n')
        head, rest = read_head(client)
        assert head[0] == 'HTTP/1.1 100 Continue' and rest == b'', head
        client.sendall(b'%x\r\n%b\r\n0\r\n\r\n' % (len(body), body))
        assert read_head(client)[0][0] == 'HTTP/1.1 200 OK'
        client.close()
        join()
        # Bodies that are not as announced: what goes up is no whole request.
        def broken(it):
            with it:
                data = b''
                try:
                    data = read_all(it)
                except ConnectionResetError:
                    pass
                assert not data.endswith(b'0\r\n\r\n'), data
        join = scripted(upstream, broken)
        client = proxy.connect()
        client.sendall(b'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n')
        assert read_head(client)[0][0] == 'HTTP/1.1 400 Bad Request'
        client.close()
        join()
        join = scripted(upstream, broken)
        client = proxy.connect()
        client.sendall(b'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
        client.close()
        join()


def an_answer_before_the_request_has_ended():
    upstream = Upstream(receive_bytes=4096)
    refusal = b'HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch'
    for closes in (False, True):
        def script(it):
            read_head(it)
            it.sendall(refusal)
            if closes:
                it.shutdown(socket.SHUT_WR)
            try:
                read_all(it)
            except ConnectionResetError:
                pass
        with start(upstream.name) as proxy:
            join = scripted(upstream, script)
            client = proxy.connect()
            client.sendall(b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n' + bytes(100000))
            head, rest = read_head(client)
            assert head[0].startswith('HTTP/1.1 413') and 'Connection: close' in head, head
            client.close()
            join()


def clients_that_go():
    upstream = Upstream()
    asked = threading.Event()

    def script(data):
        def serve(it):
            read_head(it)
            asked.set()
            try:
                while data:
                    it.sendall(data)
                read_all(it)
            except (ConnectionResetError, BrokenPipeError):
                pass
        return serve
    with start(upstream.name) as proxy:
        # While it waits for an answer (select cannot see it then: nobody writes), and while the answer comes.
        for data in ([b''] if backend != 'select' else []) + [b'HTTP/1.1 200 OK\r\n\r\n' + bytes(1 << 20)]:
            for leave in (socket.socket.close, reset):
                join = scripted(upstream, script(data))
                client = proxy.connect()
                client.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
                if data:
                    client.recv(1000)
                else:
                    assert asked.wait(PATIENCE)
                asked.clear()
                leave(client)
                join()
        # A body that is half there.
        join = scripted(upstream, script(b''))
        client = proxy.connect()
        client.sendall(b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
        assert asked.wait(PATIENCE)
        client.close()
        join()


def pipelines_and_smugglers():
    upstream = Upstream()
    seen, servers = [], []

    def script(it):
        rest = b''
        servers.append(it)
        try:
            while True:
                while b'\r\n\r\n' not in rest:
                    piece = it.recv(65536)
                    if not piece:
                        return
                    rest += piece
                head, rest = rest.split(b'\r\n\r\n', 1)
                head = head.decode().split('\r\n')
                for line in head:
                    if line.startswith('Content-Length: '):
                        size = int(line[16:])
                        while len(rest) < size:
                            rest += it.recv(65536)
                        rest = rest[size:]
                seen.append(head[0])
                text = head[0].split()[1].encode()
                it.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b' % (len(text), text))
        except ConnectionResetError:
            pass
    with start(upstream.name) as proxy:
        for _ in range(2):  # a kept connection, and that of a POST
            scripted(upstream, script)
        client = proxy.connect()
        client.sendall(b''.join(b'GET /%d HTTP/1.1\r\nHost: a\r\n\r\n' % i for i in range(50)) +
                       b'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        data = read_all(client)
        places = [data.index(b'\r\n\r\n/%d' % i + b'H') for i in range(50)] + [data.index(b'/last')]
        assert places == sorted(places), data
        client.close()
        smuggled = b'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
        seen.clear()
        for fields in (b'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', b'Transfer-Encoding: chunked, identity\r\n',
                       b'Transfer-Encoding: xchunked\r\n', b'Content-Length: 0\r\nContent-Length: 6\r\n', b'Transfer-Encoding : chunked\r\n',
                       b'Content-Length: +6\r\n', b'X: y\r\n Content-Length: 6\r\n', b'X: y\nContent-Length: 6\r\n'):
            client = proxy.connect()
            client.sendall(b'POST /a HTTP/1.1\r\nHost: a\r\n' + fields + b'\r\n0\r\n\r\n' + smuggled)
            data = read_all(client)
            assert data.startswith((b'HTTP/1.1 400', b'HTTP/1.1 501')) and data.count(b'HTTP/1.1 ') == 1, (fields, data)
            client.close()
        assert seen == [], seen
        # What looks like a request within a body stays one.
        client = proxy.connect()
        client.sendall(b'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: Content-Length, close\r\n\r\n' % len(smuggled) + smuggled)
        assert read_all(client).endswith(b'/a')
        client.close()
        assert seen == ['POST /a HTTP/1.1'], seen
        for it in servers:
            it.shutdown(socket.SHUT_RDWR)


def protocols_are_switched():
    upstream = Upstream()

    def script(it):
        head, rest = read_head(it)
        assert 'Upgrade: websocket' in head and 'Connection: Upgrade' in head, head
        it.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Key: k\r\n\r\nfirst')
        while len(rest) < 5:
            rest += it.recv(100)
        assert rest == b'early', rest
        it.sendall(b'second')
        assert it.recv(100) == b'last' and it.recv(100) == b''
        it.sendall(b'behind')
    ask = b'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n'
    with start(upstream.name) as proxy:
        join = scripted(upstream, script)
        client = proxy.connect()
        client.sendall(ask + b'early')
        head, rest = read_head(client)
        assert head[0].startswith('HTTP/1.1 101') and 'Upgrade: websocket' in head and 'X-Key: k' in head, head
        while len(rest) < 11:
            rest += client.recv(100)
        assert rest == b'firstsecond', rest
        client.sendall(b'last')
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b'behind'
        client.close()
        join()
        # An upstream that does not switch, and one that breaks off.
        join = scripted(upstream, answer_with(OK), answer_with(b'HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n'))
        client = proxy.connect()
        client.sendall(ask)
        assert read_head(client)[0][0] == 'HTTP/1.1 200 OK'
        client.close()
        client = proxy.connect()
        client.sendall(ask)
        assert read_head(client)[0][0].startswith('HTTP/1.1 101')
        assert read_all(client) == b''
        client.close()
        join()


def tunnels_have_a_limit():
    """As many as the server has connections (-n), which they are no longer: a request beside them is served, and
    another Upgrade is refused until one of them has gone."""
    upstream = Upstream()

    def switch(it):
        read_head(it)
        it.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    ask = b'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    with start(upstream.name, options=('-n', '2')) as proxy:
        tunnels = []

        def tunnel():
            client = proxy.connect()
            client.sendall(ask)
            it = upstream.accept()
            switch(it)
            head, _ = read_head(client)
            assert head[0].startswith('HTTP/1.1 101'), head
            tunnels.append((client, it))

        def refused():
            client = proxy.connect()
            client.sendall(ask)
            it = upstream.accept()
            switch(it)
            head, _ = read_head(client)
            assert read_all(it) == b''  # it has got nothing but the end
            it.close()
            client.close()
            return head[0]
        tunnel()
        tunnel()
        join = scripted(upstream, answer_with(OK))
        it, answer = get(proxy)
        assert answer.status == 200
        it.close()
        join()
        assert not refused().startswith('HTTP/1.1 101')
        for end in tunnels.pop():
            end.close()
        give_up = time.monotonic() + PATIENCE
        while True:  # the proxy hears of both ends a little later
            client = proxy.connect()
            client.sendall(ask)
            it = upstream.accept()
            switch(it)
            head, _ = read_head(client)
            it.close()
            client.close()
            if head[0].startswith('HTTP/1.1 101'):
                break
            assert time.monotonic() < give_up, head
        for end in tunnels.pop():
            end.close()


def no_other_protocol_is_passed_on():
    """By h2c requests would go through the proxy unseen; nor is a WebSocket where the request has a body, or is of
    HTTP/1.0: the upstream sees no Upgrade, and its 101 would be no answer to what it has been asked."""
    upstream = Upstream()

    def script(data):
        def serve(it):
            head, rest = read_head(it)
            assert not [line for line in head if re.match('(?i)upgrade:|http2-settings:|connection:.*upgrade', line)], head
            it.sendall(data)
            read_all(it)
        return serve
    h2c = b'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n'
    both = h2c.replace(b'Upgrade: h2c', b'Upgrade: websocket, h2c')
    body = b'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx'
    old = b'GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    switched = b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI'
    for ask in h2c, both, body, old:
        for said, status in (OK, '200'), (switched, '502'):
            with start(upstream.name) as proxy:
                join = scripted(upstream, script(said))
                client = proxy.connect()
                client.sendall(ask)
                head, rest = read_head(client)
                assert head[0].split()[1] == status and b'PRI' not in rest, (ask, head, rest)
                client.close()
                proxy.may_end = True  # it keeps a connection
            join()


TOTAL = (20 if is_checked or backend != 'epoll' else 200) << 20  # in all
PIECE = bytes(range(256)) * 256


def pieces(total):
    for i in range(total // len(PIECE)):
        yield struct.pack('>Q', i) + PIECE[8:]


def digest_of(total):
    it = hashlib.blake2b()
    for piece in pieces(total):
        it.update(piece)
    return it.digest()


def memory_is_bounded():
    upstream = Upstream(backlog=200, receive_bytes=4096)

    def serve(total, is_chunked):
        def script(it):
            read_head(it)
            it.sendall(b'HTTP/1.1 200 OK\r\n' + (b'Transfer-Encoding: chunked' if is_chunked else b'Content-Length: %d' % total) + b'\r\n\r\n')
            for piece in pieces(total):
                it.sendall(b'%x\r\n%b\r\n' % (len(piece), piece) if is_chunked else piece)
            if is_chunked:
                it.sendall(b'0\r\n\r\n')
        return script

    def take(client, step):
        answer = client.getresponse()
        digest = hashlib.blake2b()
        while piece := answer.read(step):
            digest.update(piece)
        client.close()
        return digest.digest()

    def absorb(it):
        _, rest = read_head(it)
        digest = hashlib.blake2b(rest)
        size = len(rest)
        while size < TOTAL // 2:
            piece = it.recv(16384)
            assert piece
            size += len(piece)
            digest.update(piece)
        it.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n' + digest.digest())
    with start(upstream.name) as proxy:
        told = [f'at the start {proxy.memory()}']
        before = proxy.memory()
        for is_chunked in (False, True):
            join = scripted(upstream, serve(TOTAL // 4, is_chunked))
            client = Connection(proxy)
            client.sock = proxy.connect(4096)
            client.request('GET', '/')
            assert take(client, 16384) == digest_of(TOTAL // 4)
            join()
        join = scripted(upstream, absorb)
        client = Connection(proxy)
        client.request('POST', '/', pieces(TOTAL // 2), {'Content-Length': str(TOTAL // 2)})
        assert client.getresponse().read() == digest_of(TOTAL // 2)
        client.close()
        join()
        told.append(f'one slow reader each way {proxy.memory()}')
        assert is_checked or proxy.memory() - before < 1024, (told)
        # Clients that do not read at all, then cut; and upstreams that do not read what they are sent.
        readers = 5 if is_checked else 100 if is_measured else 30
        clients, servers = [], []
        for i in range(2 * readers):
            client = proxy.connect(4096)
            client.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n' if i < readers else b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n')
            server = upstream.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            if i < readers:
                read_head(server)
                server.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
            clients.append(client)
            servers.append(server)
        last = time.monotonic()
        for it in clients + servers:
            it.setblocking(False)
        while time.monotonic() < last + 0.3:
            for it in servers[:readers] + clients[readers:]:
                try:
                    it.send(PIECE)
                    last = time.monotonic()
                except BlockingIOError:
                    pass
            time.sleep(0.001)
        told.append(f'{readers} clients and {readers} upstreams that do not read {proxy.memory()}')
        assert is_checked or proxy.memory() - before < 1024 + 2 * readers * 80, told
        for it in clients:
            reset(it)
        for it in servers:
            it.close()
        print('    KiB: ' + '; '.join(told))


def signals_end_it():
    upstream = Upstream()
    go_on = threading.Event()

    def script(it):
        read_head(it)
        it.sendall(OK[:-1])
        go_on.wait(PATIENCE)
        it.sendall(OK[-1:])

    def stuck(it):
        read_head(it)
        it.sendall(OK[:-1])
        assert it.recv(1) == b''
    with start(upstream.name) as proxy:
        join = scripted(upstream, script)
        client, answer = get(proxy)
        proxy.signal(signal.SIGTERM)
        until('nobody is accepted', lambda: proxy.count_descriptors() < proxy.descriptors + 2)
        go_on.set()
        assert answer.read() == b'ok'
        client.close()
        join()
        assert proxy.child.wait(PATIENCE) == 0
        proxy.may_end = True
    with start(upstream.name) as proxy:
        join = scripted(upstream, stuck)
        client, answer = get(proxy)
        proxy.signal(signal.SIGTERM)
        until('nobody is accepted', lambda: proxy.count_descriptors() < proxy.descriptors + 2)
        proxy.signal(signal.SIGINT)
        assert proxy.child.wait(PATIENCE) == 0
        proxy.may_end = True
        client.close()
        join()


def wrong_arguments():
    for arguments in ([], ['127.0.0.1:0'], ['127.0.0.1:0', 'nowhere:1'], ['-a', '0', '127.0.0.1:0', '127.0.0.1:1'], ['-x']):
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and 'usage:' in done.stderr, (arguments, done)


def nginx_on_both_sides():
    if not has_nginx():
        return
    work = tempfile.mkdtemp()
    os.chmod(work, 0o755)
    children = []
    try:
        back, back_port = run_files(work, 20 << 20)
        children.append(back)
        with start(f'127.0.0.1:{back_port}') as proxy:
            front, front_port = run_nginx(work, f'''upstream p {{ server 127.0.0.1:{proxy.address[1]}; keepalive 8; }}
                server {{ listen 127.0.0.1:PORT; location / {{ proxy_pass http://p; proxy_http_version 1.1;
                proxy_set_header Connection ""; proxy_buffering off; }} }}''')
            children.append(front)
            for port in (proxy.address[1], front_port):
                ask_by_curl(f'http://127.0.0.1:{port}', work)
            front.terminate()
            front.wait()
            back.terminate()
            back.wait()
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    run_cases([wrong_arguments, heads_are_made_anew, connections_are_kept, a_kept_connection_that_ends_costs_nothing,
               what_may_be_repeated_is, slow_upstreams_are_given_up, answers_of_all_forms, answers_that_are_none, bodies_go_up,
               an_answer_before_the_request_has_ended, clients_that_go, pipelines_and_smugglers, protocols_are_switched,
               tunnels_have_a_limit, no_other_protocol_is_passed_on, memory_is_bounded, signals_end_it, nginx_on_both_sides])
