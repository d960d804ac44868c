#!/usr/bin/env python3
"""dns_server.py [PORT]: a name server on a port of 127.0.0.1, or one that the system gives, which this
prints; what it does is in the name that it is asked for. It ends when its input does.

    aN.test         the address 10.0.H.L of the number N
    late-MS.test    127.0.0.1, so many milliseconds later
    silent.test     nothing
    missing.test    there is no such name
    broken.test     the server has failed
    big.test        40 addresses, which take a TCP connection
    split.test      the same, of which one byte comes first
    alias.test      another name of a1.test
"""
import heapq
import re
import selectors
import socket
import struct
import sys
import time

NO_ERROR, SERVER_FAILED, NO_NAME = 0, 2, 3
TYPE_A, TYPE_ALIAS, CLASS_IN = 1, 5, 1
RECURSION, TRUNCATED = 0x8180, 0x0200


def encode(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def record(name, kind, data):
    return encode(name) + struct.pack("!HHIH", kind, CLASS_IN, 60, len(data)) + data


def question(packet):
    """The name that is asked for, the type, and where the question ends."""
    at, parts = 12, []
    while packet[at]:
        parts.append(packet[at + 1 : at + 1 + packet[at]].decode().lower())
        at += packet[at] + 1
    return ".".join(parts), struct.unpack("!H", packet[at + 1 : at + 3])[0], at + 5


def answer(packet, is_tcp):
    """What to say, or None, and in how many seconds."""
    name, kind, end = question(packet)
    records, code, flags, delay = [], NO_ERROR, RECURSION, 0
    late = re.fullmatch(r"late-(\d+)\.test", name)
    number = re.fullmatch(r"a(\d+)\.test", name)
    if name == "silent.test":
        return None, 0
    if name == "missing.test":
        code = NO_NAME
    elif name == "broken.test":
        code = SERVER_FAILED
    elif kind == TYPE_A and late:
        records, delay = [record(name, TYPE_A, bytes([127, 0, 0, 1]))], int(late[1]) / 1000
    elif kind == TYPE_A and number:
        high, low = divmod(int(number[1]), 256)
        records = [record(name, TYPE_A, bytes([10, 0, high, low]))]
    elif kind == TYPE_A and name in ("big.test", "split.test") and not is_tcp:
        flags |= TRUNCATED
    elif kind == TYPE_A and name in ("big.test", "split.test"):
        records = [record(name, TYPE_A, bytes([10, 1, 0, i])) for i in range(40)]
    elif kind == TYPE_A and name == "alias.test":
        records = [record(name, TYPE_ALIAS, encode("a1.test")), record("a1.test", TYPE_A, bytes([10, 0, 0, 1]))]
    head = packet[:2] + struct.pack("!HHHHH", flags | code, 1, len(records), 0, 0)
    return head + packet[12:end] + b"".join(records), delay


class Server:
    def __init__(self):
        port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
        self.listener = socket.create_server(("127.0.0.1", port))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(self.listener.getsockname())
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.later = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(self.udp, selectors.EVENT_READ, self.receive)
        self.selector.register(sys.stdin.buffer, selectors.EVENT_READ, lambda _: sys.exit())

    def reply(self, packet, is_tcp, send):
        text, delay = answer(packet, is_tcp)
        if text is not None:
            heapq.heappush(self.later, (time.monotonic() + delay, len(self.later), text, send))

    def receive(self, udp):
        packet, peer = udp.recvfrom(4096)
        self.reply(packet, False, lambda text: udp.sendto(text, peer))

    def accept(self, listener):
        client, _ = listener.accept()
        self.selector.register(client, selectors.EVENT_READ, self.read)

    def read(self, client):
        length = client.recv(2, socket.MSG_WAITALL)
        if len(length) < 2:
            self.selector.unregister(client)
            client.close()
            return
        packet = client.recv(struct.unpack("!H", length)[0], socket.MSG_WAITALL)
        self.reply(packet, True, lambda text: self.send(client, packet, struct.pack("!H", len(text)) + text))

    def send(self, client, packet, text):
        if question(packet)[0] == "split.test":
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(text[:3])
            time.sleep(0.05)
            text = text[3:]
        client.sendall(text)

    def run(self):
        print(self.listener.getsockname()[1], flush=True)
        while True:
            timeout = max(0, self.later[0][0] - time.monotonic()) if self.later else None
            for key, _ in self.selector.select(timeout):
                key.data(key.fileobj)
            while self.later and self.later[0][0] <= time.monotonic():
                try:
                    self.later[0][3](self.later[0][2])
                except OSError:
                    pass  # who asked has gone
                heapq.heappop(self.later)


Server().run()
