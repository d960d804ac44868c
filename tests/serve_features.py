#!/usr/bin/env python3
"""serve_features.py [EDDY]: what eddy serve and other servers do, as many as are there, found out by asking
them. Prints rows of a table in Markdown, which docs/compared-serve.md has. Each server is set up to do as
much as it can: listings, precompressed files, compression on the way, a header and an error page of one's
own, and, by the name `app`, one page for all paths. Checks nothing, fails for nothing. Needs curl and
openssl; looks in PATH for nginx, caddy, lighttpd, darkhttpd and busybox."""
import glob
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

EDDY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/src/cmd/eddy")
work = tempfile.mkdtemp()
site = f"{work}/site"
ENTRIES = 100000


def write(name, text):
    os.makedirs(os.path.dirname(f"{site}/{name}"), exist_ok=True)
    with open(f"{site}/{name}", "w") as file:
        file.write(text)


def make_site():
    os.makedirs(f"{site}/huge")
    write("text.txt", "line\n" * 20000)
    write("both.txt", "line\n" * 20000)
    subprocess.run(["gzip", "-k", f"{site}/both.txt"], check=True)
    with open(f"{site}/large", "wb") as file:
        file.write(os.urandom(20 << 20))
    for name in ("file10", "file9", "File2"):
        write(f"dir/{name}", name)
    write(".hidden", "hidden")
    write("404.html", "own page")
    write("app/index.html", "app page")
    write("cgi-bin/run.sh", "#!/bin/sh\necho Content-Type: text/plain\necho\necho $((20 + 22))\n")
    os.chmod(f"{site}/cgi-bin/run.sh", 0o755)
    with open(f"{work}/outside", "w") as file:
        file.write("outside")
    os.symlink("../outside", f"{site}/leaves")
    for number in range(ENTRIES):
        open(f"{site}/huge/{number}", "w").close()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", f"{work}/key", "-out", f"{work}/cert"],
                   check=True, stderr=subprocess.DEVNULL)
    subprocess.run(f"cat {work}/key {work}/cert > {work}/pem", shell=True, check=True)
    subprocess.run(["chmod", "-R", "a+rwX", work], check=True)


def commands(port):
    """For each server: command, its configuration, signals for a graceful stop and for opening the log."""
    term, hup, usr1 = signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1
    log = f"{work}/log"
    return {
        "eddy": ([EDDY, "serve", "--quiet", "--port", str(port), "--unix", f"{work}/unix", "--precompressed",
                  "--header", "X-Own: 1", "--error-page", "404=404.html", "--log", "json", "--log-file", log,
                  *(["--user", "nobody"] if os.geteuid() == 0 else []), site], None, term, usr1),
        "nginx": (["nginx", "-e", f"{work}/e", "-c"], f"""
user nobody nogroup; worker_processes 1; daemon off; pid {work}/pid; error_log {work}/e; events {{ worker_connections 500; }}
http {{ sendfile on; default_type application/octet-stream; types {{ text/plain txt; text/html html; }}
log_format j escape=json '{{"t":"$request"}}'; access_log {log} j; gzip on; gzip_types text/plain; gzip_static on;
add_header X-Own 1 always; error_page 404 /404.html;
server {{ listen 127.0.0.1:{port} default_server; listen [::1]:{port}; listen unix:{work}/unix; root {site}; autoindex on;
  listen 127.0.0.1:{port + 1} ssl http2; ssl_certificate {work}/cert; ssl_certificate_key {work}/key;
  location /put/ {{ dav_methods PUT; create_full_put_path on; client_body_temp_path {work}/body; }} }}
server {{ listen 127.0.0.1:{port}; server_name app; root {site}/app; try_files $uri /index.html; }} }}
""", signal.SIGQUIT, usr1),
        "caddy": (["caddy", "run", "--adapter", "caddyfile", "--config"], f"""
{{
 admin off
 auto_https off
 grace_period 20s
}}
(common) {{
 root * {site}
 header X-Own 1
 encode gzip
 log {{
  output file {log}
 }}
 file_server browse {{
  precompressed gzip
 }}
 handle_errors {{
  rewrite * /404.html
  file_server
 }}
}}
http://:{port} {{
 bind 127.0.0.1 ::1 unix/{work}/unix
 import common
}}
https://localhost:{port + 1} {{
 bind 127.0.0.1
 tls {work}/cert {work}/key
 import common
}}
http://app:{port} {{
 bind 127.0.0.1
 root * {site}/app
 try_files {{path}} /index.html
 file_server
}}
""", term, None),
        "lighttpd": (["lighttpd", "-D", "-f"], f"""
server.modules = ("mod_dirlisting", "mod_deflate", "mod_setenv", "mod_accesslog", "mod_openssl", "mod_cgi")
server.document-root = "{site}"
server.bind = "127.0.0.1"
server.port = {port}
server.username = "nobody"
index-file.names = ("index.html")
server.errorfile-prefix = "{site}/"
dir-listing.activate = "enable"
deflate.mimetypes = ("text/plain")
deflate.allowed-encodings = ("gzip")
mimetype.assign = (".txt" => "text/plain", ".html" => "text/html")
setenv.add-response-header = ("X-Own" => "1")
accesslog.filename = "{log}"
accesslog.escaping = "json"
accesslog.format = "{{\\"t\\":\\"%r\\"}}"
cgi.assign = (".sh" => "/bin/sh")
$SERVER["socket"] == "[::1]:{port}" {{ }}
$SERVER["socket"] == "{work}/unix" {{ }}
$SERVER["socket"] == "127.0.0.1:{port + 1}" {{ ssl.engine = "enable"
 ssl.pemfile = "{work}/pem" }}
$HTTP["host"] == "app" {{ server.document-root = "{site}/app"
 server.error-handler-404 = "/index.html" }}
""", signal.SIGINT, hup),
        "darkhttpd": (["darkhttpd", site, "--addr", "127.0.0.1", "--port", str(port), "--header", "X-Own: 1",
                       "--log", log, "--uid", "nobody"], None, term, hup),
        "busybox": (["busybox", "httpd", "-f", "-v", "-p", f"127.0.0.1:{port}", "-u", "nobody", "-h", site, "-c"],
                    f"E404:{site}/404.html\n", term, None),
        "python3": ([sys.executable, "-m", "http.server", "--cgi", "-b", "127.0.0.1", "-d", site, str(port)], None,
                    term, None),
    }


def resident(pid):
    found = [pid]
    for parent in found:
        for children in glob.glob(f"/proc/{parent}/task/*/children"):
            with open(children) as file:
                found += map(int, file.read().split())
    return found, sum(int(open(f"/proc/{one}/statm").read().split()[1]) * 4 for one in found)


class Subject:
    def __init__(self, name, number):
        self.name, self.port = name, 29500 + 10 * number
        for old in ("log", "unix", "log.old"):
            if os.path.exists(f"{work}/{old}"):
                os.unlink(f"{work}/{old}")
        command, config, self.stop, self.reopen = commands(self.port)[name]
        if config:
            with open(f"{work}/config", "w") as file:
                file.write(config)
            command = command + [f"{work}/config"]
        said = open(f"{work}/said.{name}", "w")
        self.process = subprocess.Popen(command, stdout=said, stderr=said, cwd=site, env=dict(os.environ, HOME=work))
        for _ in range(50):
            try:
                return self.ask("/text.txt") and None
            except OSError:
                time.sleep(0.1)
        print(f"{name} does not answer:", open(f"{work}/said.{name}").read()[-400:])

    def ask(self, path, method="GET", body=None, host="127.0.0.1", **fields):
        connection = http.client.HTTPConnection(host, self.port, timeout=20)
        try:
            connection.request(method, path, body, {key.replace("_", "-"): value for key, value in fields.items()})
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        except http.client.HTTPException as error:
            raise OSError(str(error))
        finally:
            connection.close()

    def says(self, *arguments):
        return subprocess.run(["curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                               *arguments], capture_output=True, text=True).stdout

    def beside(self, command, *arguments):
        """Another server of this name, for what has to be said on its command line."""
        command, *arguments = [[part.replace("PORT", str(self.port + 5)) for part in list_]
                               for list_ in (command, arguments)]
        other = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        got = self.says(*arguments[0])
        other.kill()
        other.wait()
        return "yes" if got.endswith("200") else "no"

    # Each row is a method; what it returns is the cell.
    def range_one(self):
        return self.ask("/text.txt", Range="bytes=5-9").status

    def range_several(self):
        answer = self.ask("/text.txt", Range="bytes=0-4,10-14")
        return "multipart" if "multipart" in answer.getheader("Content-Type", "") else f"no ({answer.status})"

    def if_modified_since(self):
        return self.ask("/text.txt", If_Modified_Since=self.ask("/text.txt").getheader("Last-Modified") or "-").status

    def if_none_match(self):
        etag = self.ask("/text.txt").getheader("ETag")
        return self.ask("/text.txt", If_None_Match=etag).status if etag else "no ETag"

    def if_range(self):
        etag = self.ask("/text.txt").getheader("ETag")
        if not etag:
            return "no ETag"
        return "{}, other {}".format(*[self.ask("/text.txt", Range="bytes=5-9", If_Range=one).status
                                       for one in (etag, '"other"')])

    def precompressed(self):
        answer = self.ask("/both.txt", Accept_Encoding="gzip")
        size = os.path.getsize(f"{site}/both.txt.gz")
        return "yes" if len(answer.body) == size and answer.getheader("Content-Encoding") == "gzip" else "no"

    def compression_on_the_way(self):
        return self.ask("/text.txt", Accept_Encoding="gzip").getheader("Content-Encoding") or "no"

    def listing(self):
        answer = self.ask("/dir/")
        if answer.status != 200:
            return f"no ({answer.status})"
        names = list(dict.fromkeys(re.findall(r'href="(?:\./|/dir/)?(file\d+|File\d+)"', answer.body.decode())))
        return " ".join(names)

    def listing_of_100_000(self):
        before = resident(self.process.pid)[1]
        url = f"http://127.0.0.1:{self.port}/huge/"
        told = "%{time_starttransfer} %{time_total} %{http_code}"
        timing = min(subprocess.run(["curl", "-s", "-m", "60", "-o", f"{work}/page", "-w", told, url],
                                    capture_output=True, text=True).stdout.split() for _ in range(3))
        if timing[2] != "200":
            return f"no ({timing[2]})"
        with open(f"{work}/page", errors="replace") as file:
            count = len(set(re.findall(r'href="(?:\./|/huge/)?(\d+)"', file.read())))
        grown = (resident(self.process.pid)[1] - before) / 1024
        grown = max(grown, 0)
        return f"{count:,}, first byte {float(timing[0]):.2f} s, all {float(timing[1]):.2f} s, +{grown:.0f} MiB"

    def one_page_for_all_paths(self):
        if self.name == "eddy":
            return self.beside([EDDY, "serve", "--quiet", "--port", "PORT", "--spa", "app/index.html", site],
                               "-H", "Accept: text/html", "http://127.0.0.1:PORT/some/path")
        answer = self.ask("/some/path", Host="app")
        return "yes" if answer.status == 200 and b"app page" in answer.body else "no"

    def virtual_hosts(self):
        return "yes" if b"app page" in self.ask("/", Host="app").body else "no"

    def own_error_page(self):
        return "yes" if b"own page" in self.ask("/none").body else "no"

    def own_header(self):
        return "yes" if self.ask("/text.txt").getheader("X-Own") else "no"

    def cache_control_unasked(self):
        return self.ask("/text.txt").getheader("Cache-Control") or "none"

    def dot_file(self):
        return self.ask("/.hidden").status

    def link_out_of_the_root(self):
        return self.ask("/leaves").status

    def log_as_json(self):
        time.sleep(6)
        self.ask("/text.txt")
        try:
            with open(f"{work}/log") as file:
                return "yes" if file.read().startswith("{") else "no"
        except OSError:
            return "no"

    def log_opened_anew(self):
        if not self.reopen or not os.path.exists(f"{work}/log"):
            return "no"
        os.rename(f"{work}/log", f"{work}/log.old")
        self.process.send_signal(self.reopen)
        time.sleep(1)
        if self.process.poll() is not None:
            self.__init__(self.name, (self.port - 29500) // 10 + 10)
            return f"no ({self.reopen.name} ends it)"
        return f"{self.reopen.name}" if os.path.exists(f"{work}/log") else "no"

    def tls(self):
        return "yes" if self.says("--http1.1", f"https://localhost:{self.port + 1}/text.txt") == "1.1 200" else "no"

    def http_2(self):
        return "yes" if self.says("--http2", f"https://localhost:{self.port + 1}/text.txt") == "2 200" else "no"

    def put(self):
        status = self.ask(f"/put/{self.name}", "PUT", b"x").status
        return "yes" if os.path.exists(f"{site}/put/{self.name}") else f"no ({status})"

    def cgi(self):
        return "yes" if self.ask("/cgi-bin/run.sh").body.strip() == b"42" else "no"

    def ipv6(self):
        command = {"eddy": [EDDY, "serve", "--quiet", "--host", "::1", "--port", "PORT", site],
                   "darkhttpd": ["darkhttpd", site, "--ipv6", "--addr", "::1", "--port", "PORT"],
                   "busybox": ["busybox", "httpd", "-f", "-p", "[::1]:PORT", "-h", site],
                   "python3": [sys.executable, "-m", "http.server", "-b", "::1", "-d", site, "PORT"]}
        if self.name in command:
            return self.beside(command[self.name], "http://[::1]:PORT/text.txt")
        return "yes" if self.says(f"http://[::1]:{self.port}/text.txt").endswith("200") else "no"

    def unix_socket(self):
        return "yes" if self.says("--unix-socket", f"{work}/unix", "http://localhost/text.txt").endswith("200") else "no"

    def runs_as(self):
        owners = {os.stat(f"/proc/{pid}").st_uid for pid in resident(self.process.pid)[0]}
        return "another user" if owners - {os.getuid()} else "who started it"

    def graceful_stop(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            got = len(client.recv(1000))
            self.process.send_signal(self.stop)
            time.sleep(1)
            try:
                while piece := client.recv(1 << 16):
                    got += len(piece)
            except OSError:
                pass
        return f"{self.stop.name}, all is sent" if got > 20 << 20 else "no, cut off"

    def end(self):
        try:
            self.process.terminate()
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def size(name):
    path = EDDY if name == "eddy" else sys.executable if name == "python3" else shutil.which(name)
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", path], capture_output=True, text=True).stdout)
    return "{:.1f}, {:.1f}".format(os.path.getsize(path) / 1e6,
                                   sum(os.path.getsize(os.path.realpath(one)) for one in libraries) / 1e6)


def main():
    rows = [name for name in Subject.__dict__ if not name.startswith("_") and name not in ("ask", "says", "beside", "end")]
    table = {row: [] for row in rows + ["size of program, libraries (MB)"]}
    names = [name for name in commands(0) if name in ("eddy", "python3") or shutil.which(name)]
    make_site()
    for number, name in enumerate(names):
        subject = Subject(name, number)
        for row in rows:
            try:
                table[row].append(str(getattr(subject, row)()))
            except (OSError, AttributeError, ValueError) as error:
                table[row].append(f"no ({type(error).__name__})")
        table["size of program, libraries (MB)"].append(size(name))
        subject.end()
    print("| | " + " | ".join(names) + " |\n|---" + "|---" * len(names) + "|")
    for row, cells in table.items():
        print(f"| {row.replace('_', ' ')} | " + " | ".join(cells) + " |")


try:
    main()
finally:
    shutil.rmtree(work)
