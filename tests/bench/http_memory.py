#!/usr/bin/env python3
"""http_memory.py [--idle N] [--readers N] [EDDY]: what connections cost in memory, in eddy serve, nginx,
lighttpd, h2o and Caddy, as many as are there, with one loop, worker or thread.

idle     N keep-alive connections, each of which has got a file of 1 KiB and asks nothing further
readers  N connections that asked for a file of 10 MiB and read none of it

Each part has servers of its own. Prints the resident memory of all processes of a server: before (one
request was answered), with the connections, and after they are closed; a connection's part of it; and
the kernel's memory for TCP (/proc/net/sockstat), a connection. The latter is that of both ends, of all the
system, and goes by the loopback's MTU, which sets the size that send buffers begin with: for an
Ethernet's, and so as not to disturb others,

    unshare -n sh -c 'ip link set lo up mtu 1500; tests/bench/http_memory.py build/src/cmd/eddy'

Linux only. Servers that are not there are left out; exit status 77 where that is eddy."""
import argparse
import glob
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
STEADY = 5  # equal readings, 0.2 s apart


def nginx(work, port):
    return ["nginx", "-e", f"{work}/error", "-c"], f"""
worker_processes 1; daemon off; pid {work}/pid; error_log {work}/error;
events {{ worker_connections 12000; }}
http {{ access_log off; sendfile on; keepalive_timeout 600; send_timeout 600;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {work}/files; }} }}
"""


def lighttpd(work, port):
    return ["lighttpd", "-D", "-f"], f"""
server.document-root = "{work}/files"
server.bind = "127.0.0.1"
server.port = {port}
server.max-fds = 20000
server.max-connections = 12000
server.max-keep-alive-idle = 600
server.max-write-idle = 600
server.listen-backlog = 4096
"""


def h2o(work, port):
    return ["h2o", "-c"], f"""
num-threads: 1
max-connections: 12000
http1-request-timeout: 600
hosts:
  default:
    listen: {{host: 127.0.0.1, port: {port}}}
    paths: {{/: {{file.dir: {work}/files}}}}
"""


def caddy(work, port):
    return ["caddy", "run", "--adapter", "caddyfile", "--config"], f"""
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    root * {work}/files
    file_server
}}
"""


class Server:
    def __init__(self, name, work, eddy):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if name == "eddy":
            command = [eddy, "serve", "--quiet", "--timeout", "600", "--port", str(self.port), f"{work}/files"]
        else:
            command, config = globals()[name](work, self.port)
            with open(f"{work}/{name}", "w") as file:
                file.write(config)
            command.append(f"{work}/{name}")
        environment = dict(os.environ, HOME=work, GOMAXPROCS="1")
        with open(f"{work}/said", "w") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        self.until_it_answers(name)

    def until_it_answers(self, name):
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                    ask_small(client)
                    return
            except OSError:
                time.sleep(0.1)
        self.end()
        sys.exit(f"http_memory: {name} does not answer")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def pids(self):
        found = [self.process.pid]
        for pid in found:
            for children in glob.glob(f"/proc/{pid}/task/*/children"):
                with open(children) as file:
                    found += map(int, file.read().split())
        return found

    def resident(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * PAGE
        return total


def kernel_memory():
    with open("/proc/net/sockstat") as file:
        for line in file:
            if line.startswith("TCP:"):
                return int(line.split()[-1]) * PAGE


def steady(server):
    """The memory once it has stopped changing, but for a hundredth; after 20 s as it is then."""
    before = (server.resident(), kernel_memory())
    same = 0
    for _ in range(100):
        time.sleep(0.2)
        now = (server.resident(), kernel_memory())
        same = same + 1 if all(abs(a - b) <= max(a, b) / 100 for a, b in zip(before, now)) else 0
        before = now
        if same == STEADY:
            break
    return before


def ask(client, name):
    client.sendall(f"GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def ask_small(client):
    ask(client, "1KiB")
    got = b""
    while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 1024:
        piece = client.recv(65536)
        if not piece:
            raise OSError("ended early")
        got += piece


def measure(part, count, name, work, eddy):
    server = Server(name, work, eddy)
    clients = []
    try:
        before, kernel_before = steady(server)
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            clients.append(client)
            ask_small(client) if part == "idle" else ask(client, "10MiB")
        during, kernel_during = steady(server)
        while clients:
            clients.pop(0).close()
        after, _ = steady(server)
    except OSError as error:
        print(f"  {name:<10} failed at connection {len(clients)}: {error}", flush=True)
        return
    finally:
        for client in clients:
            client.close()
        server.end()
    mebi = 1024 * 1024
    print(f"  {name:<10}{before / mebi:9.1f}{during / mebi:9.1f}{after / mebi:9.1f} MiB"
          f"{(during - before) / count / 1024:10.2f} KiB{(kernel_during - kernel_before) / count / 1024:11.1f} KiB",
          flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("eddy", nargs="?", default="build/src/cmd/eddy")
    options = parser.parse_args()
    if not os.access(options.eddy, os.X_OK) or not os.path.exists("/proc/net/sockstat"):
        print(f"http_memory: skipped, no {options.eddy}, or this is not Linux")
        sys.exit(77)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if limit < max(options.idle, 2 * options.readers) + 100:
        sys.exit(f"http_memory: the limit of descriptors, {limit}, is too low")
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        os.mkdir(f"{work}/files")
        for name, size in (("1KiB", 1024), ("10MiB", 10 << 20)):
            with open(f"{work}/files/{name}", "wb") as file:
                file.write(bytes(size))
        there = ["eddy"] + [name for name in ("nginx", "lighttpd", "h2o", "caddy") if shutil.which(name)]
        for part, count in (("idle", options.idle), ("readers", options.readers)):
            if count == 0:
                continue
            print(f"{count} {part}:\n  {'':<10}{'before':>9}{'with':>9}{'after':>9}{'each':>14}{'kernel each':>19}")
            for name in there:
                measure(part, count, name, work, options.eddy)


main()
