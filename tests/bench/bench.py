"""The driver behind `run` and `gate`: starts the servers, sends the load, reads the counters. Python's standard
library only. Everything stays on 127.0.0.1; every process that is started here is ended here."""

import argparse
import getpass
import gzip
import http.client
import json
import mmap
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.txt"
BODY = "Hello, world"
IDLE = 10_000
SLACK = 1.02


class Failed(Exception):
    """Something that has to work does not; the message says what."""


# ---- Processes ----

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = CPUS[0], CPUS[1 if len(CPUS) > 1 else 0]


def pinned(cpu):
    """What a child does before its program starts: one CPU, as many descriptors as allowed."""

    def prepare():
        os.sched_setaffinity(0, {cpu})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return prepare


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def child_of(pid):
    """The pid of the one child of `pid`."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                return int(entry)
    raise Failed(f"process {pid} has no child")


class Server:
    """A running server on a port of its own. `prefix` is a tool to run it under (valgrind, strace)."""

    def __init__(self, kind, tools, prefix=(), env=None, traced=False):
        self.name, self.port, self.traced = kind, free_port(), traced
        self.dir = tempfile.TemporaryDirectory(prefix="tornadoc-bench-")
        self.errors = open(Path(self.dir.name, "stderr"), "w+")
        self.process = subprocess.Popen(
            [*prefix, *tools.command(kind, self.port, self.dir.name)], stdin=subprocess.DEVNULL,
            stdout=self.errors, stderr=self.errors, env={**os.environ, **(env or {})}, preexec_fn=pinned(SERVER_CPU))
        try:
            self.wait_until_it_listens()
        except BaseException:
            self.stop()
            raise

    def wait_until_it_listens(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended at once (status {self.process.returncode}): {self.said()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"{self.name} does not listen on port {self.port}: {self.said()}")

    def said(self):
        self.errors.seek(0)
        return self.errors.read().strip() or "it said nothing"

    @property
    def pid(self):
        return child_of(self.process.pid) if self.traced else self.process.pid

    def stop(self):
        if self.process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGTERM)
            except (Failed, ProcessLookupError):
                self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.errors.close()
        self.dir.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


NGINX_CONF = """
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    tcp_nodelay on;
    default_type "text/html; charset=UTF-8";
    client_body_temp_path {dir}/t1;
    proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    {certificate}
    {site}
    server {{
        listen 127.0.0.1:{port} {ssl}backlog=4096;
        {locations}
    }}
}}
"""
NGINX_HELLO = 'location / {{ return 200 "{body}"; }}'
# As Debian's own configuration has them, and what its manual says for files that are asked for again.
NGINX_SITE = """sendfile on;
    tcp_nopush on;
    open_file_cache max=1000 inactive=60s;
    types {{ text/css css; text/html html; application/json json; application/octet-stream bin; }}
    gzip on;
    gzip_comp_level 6;
    gzip_min_length 1024;"""
NGINX_LOCATIONS = """root {site};
        location = /object.json {{ default_type application/json; return 200 '{object}'; }}"""
NGINX_CERTIFICATE = """ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:bench:10m;"""


LIGHTTPD_CONF = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{site}"
server.modules = ( "mod_deflate" )
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 600
server.listen-backlog = 4096
mimetype.assign = ( ".css" => "text/css", ".html" => "text/html", ".json" => "application/json", "" => "application/octet-stream" )
deflate.mimetypes = ( "text/html" )
deflate.allowed-encodings = ( "gzip" )
deflate.compression-level = 6
"""
H2O_CONF = """
listen: {{ host: 127.0.0.1, port: {port} }}
num-threads: 1
user: {user}
pid-file: {dir}/h2o.pid
http1-request-timeout: 600
file.mime.settypes: {{ text/css: .css, text/html: .html, application/json: .json, application/octet-stream: .bin }}
compress: {{ gzip: 6 }}
compress-minimum-size: 1024
hosts:
  default:
    paths:
      /: {{ file.dir: {site} }}
"""

# What the servers of files serve; the others send the same from a handler.
OBJECT = '{"id":4711,"message":"Hello, world","read":false}'


def words(count, seed):
    """Text that compresses as text does, the same on each run."""
    some = "of the and a to in is that it was for on are with as be at one have this from or had by not but what all were when".split()
    text = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) % 2**31
        text.append(some[seed >> 16 & 31 if seed >> 16 & 31 < len(some) else 0] + ("." if seed >> 21 & 7 == 0 else ""))
    return text


def make_site(folder):
    """`folder`, with the files that are served and posted."""
    files = Path(folder, "files")
    files.mkdir()
    rules = "".join(f".c{i:03d} {{ color: #{i * 7919 % 4096:03x}; margin: {i % 9}px }}\n" for i in range(200))
    Path(files, "4k.css").write_text(rules[:4096])
    Path(files, "1m.bin").write_bytes(bytes(i * 2654435761 >> 13 & 255 for i in range(65536)) * 16)
    Path(folder, "object.json").write_text(OBJECT)
    people = [{"id": 1000 + i, "name": f"Person Number {i}", "email": f"person.{i}@example.com", "roles": ["reader", "editor"],
               "score": i * 1.25, "active": i % 2 == 0, "note": None} for i in range(1, 8)]
    text = json.dumps({"page": 1, "more": True, "people": people}, separators=(",", ":"))
    filler = 1024 - len(text.encode()) - len(',"filler":""')
    Path(folder, "post.json").write_text(text[:-1] + ',"filler":"' + "x" * filler + '"}')
    paragraphs = "".join(f"<p class=\"c{i}\">{' '.join(words(60, i))}</p>\n" for i in range(80))
    Path(folder, "page.html").write_text(("<!DOCTYPE html>\n<title>A page</title>\n" + paragraphs)[:16384])
    time.sleep(2.1)  # younger files are read anew at each look at them


class Tools:
    """Where the programs are."""

    def __init__(self, folder, hello=None):
        self.folder = Path(folder)
        self.load = self.program("bench_load")
        self.raw = self.program("bench_raw")
        self.hello = Path(hello) if hello else self.folder / "bench_hello"
        self.web = self.folder / "bench_web"
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        self.nginx, self.lighttpd, self.h2o = (shutil.which(name, path=path) for name in ("nginx", "lighttpd", "h2o"))
        self.site = None  # the folder of what make_site made
        self.answer = None  # the file that raw sends
        self.certificates = None  # the folder of certificate.pem and key.pem

    def program(self, name):
        path = self.folder / name
        if not path.exists():
            raise Failed(f"{path} is missing: build the target {name}, or use tests/bench/run, which does")
        return path

    def command(self, kind, port, folder):
        """`kind` with "+tls" behind it: with the certificate; with the name of a scenario of SITE: as that needs it."""
        kind, _, what = kind.partition("+")
        if what in SITE:
            return self.site_command(kind, SITE[what], port, folder)
        tls = what == "tls"
        pair = [f"{self.certificates}/certificate.pem", f"{self.certificates}/key.pem"] if tls else []
        if kind == "raw":
            return [self.raw, str(port), self.answer or "", *pair]
        if kind == "tornadoc":
            return [self.hello, str(port), *(["tls"] if tls else []), *pair]
        if kind == "coroutine":
            return [self.hello, str(port), "coroutine"]
        if kind.startswith("routes"):
            return [self.hello, str(port), "routes", kind.removeprefix("routes")]
        return self.nginx_command(port, folder, tls, "", NGINX_HELLO.format(body=BODY))

    def nginx_command(self, port, folder, tls, site, locations):
        conf = Path(folder, "nginx.conf")
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        conf.write_text(NGINX_CONF.format(dir=folder, port=port, files=files, connections=min(files - 50, 16384), site=site,
                                          locations=locations, ssl="ssl " if tls else "",
                                          certificate=NGINX_CERTIFICATE.format(folder=self.certificates) if tls else ""))
        return [self.nginx, "-e", "stderr", "-p", folder, "-c", str(conf)]

    def site_command(self, kind, scenario, port, folder):
        if kind == "raw":
            return [self.raw, str(port), self.answer, *(word.format(site=self.site) for word in scenario.raw)]
        if kind == "tornadoc":
            return [self.web, str(port), self.site]
        if kind == "nginx":
            return self.nginx_command(port, folder, False, NGINX_SITE.format(), NGINX_LOCATIONS.format(site=self.site, object=OBJECT))
        conf = Path(folder, kind + ".conf")
        text = {"lighttpd": LIGHTTPD_CONF, "h2o": H2O_CONF}[kind]
        conf.write_text(text.format(dir=folder, port=port, site=self.site, user=getpass.getuser()))
        return [self.lighttpd, "-D", "-f", str(conf)] if kind == "lighttpd" else [self.h2o, "-c", str(conf)]

    def make_certificate(self, folder):
        """P-256, signed by itself: what it says does not matter to the generator."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=localhost", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"],
                       check=True, stderr=subprocess.DEVNULL)
        self.certificates = folder

    def have(self, kind):
        programs = {"raw": self.raw, "nginx": self.nginx, "lighttpd": self.lighttpd, "h2o": self.h2o}
        return bool(programs[kind]) if kind in programs else self.hello.exists()

    def keep_answer(self, folder, name, data):
        path = Path(folder, name)
        path.write_bytes(data)
        self.answer = str(path)

    def learn_answer(self, folder):
        """Let raw send exactly the bytes that tornadoc sends."""
        with Server("tornadoc", self) as server:
            head, body = ask(server, b"GET / HTTP/1.1\r\nHost: hello-world.example.com\r\n\r\n")
        if body != BODY.encode():
            raise Failed(f"tornadoc does not answer with {BODY!r}: {body!r}")
        self.keep_answer(folder, "answer", head + body)

    def learn_site_answer(self, folder, name):
        """The same for a scenario of SITE; what is longer than raw holds in memory it has from a file."""
        if SITE[name].gzip:  # raw says of itself how long it is
            self.answer = ""
            return
        with Server("tornadoc+" + name, self) as server:
            head, body = ask(server, SITE[name].request(self.site))
        self.keep_answer(folder, "answer-" + name, head + (body if len(body) <= 4096 else b""))


def ask(server, request):
    """One request, its answer's head (with the blank line) and body, as they came."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as s:
        s.sendall(request)
        data, end, length = b"", -1, 0
        while end < 0 or len(data) < end + 4 + length:
            piece = s.recv(1 << 20)
            if not piece:
                raise Failed(f"{server.name} closed before its answer was complete: {data[:500]!r}")
            data += piece
            end = data.find(b"\r\n\r\n")
            found = re.search(rb"^content-length: *(\d+)", data[: max(end, 0)], re.M | re.I)
            length = int(found.group(1)) if found else 0
    return data[: end + 4], data[end + 4 :]


class Load:
    """The generator, running with --hold: `again` repeats the run on the same connections."""

    def __init__(self, tools, server, *arguments, hold=False):
        body = [] if "-u" in arguments else ["-b", BODY]
        command = [tools.load, *body, *map(str, arguments), *(["--hold"] if hold else []), str(server.port)]
        self.server = server
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=pinned(LOAD_CPU))
        self.result = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            raise Failed(f"{self.server.name}: {errors.strip()}")
        return json.loads(line)

    def again(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def end(self):
        _, errors = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise Failed(f"{self.server.name}: {errors.strip()}")
        return self.result

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.end()
        else:
            self.process.kill()
            self.process.wait()


def load(tools, server, *arguments):
    with Load(tools, server, *arguments) as run:
        return run.result


# ---- Counters that do not depend on the machine's mood ----

# Two runs of different lengths: what starting and stopping costs is in both, and their difference is the requests'.
# Multiples of 16 connections times 16 in a batch.
SHORT, LONG = 2_048, 12_288


def per_request(count):
    return (count(LONG) - count(SHORT)) / (LONG - SHORT)


def instructions(tools, kind, *arguments):
    """User-space instructions per request, 16 connections (callgrind). A turn of the loop takes some 580 more, whatever it brings: with
    few connections the count would tell how many requests a turn brings on this machine."""

    def count(requests):
        with tempfile.TemporaryDirectory(prefix="tornadoc-bench-") as folder:
            out = Path(folder, "callgrind.out")
            prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
            with Server(kind, tools, prefix) as server:
                load(tools, server, "-c", 16, "-n", requests, *arguments)
            found = re.search(r"^totals: (\d+)", out.read_text() if out.exists() else "", re.M)
            if not found:
                raise Failed("callgrind wrote no totals")
            return int(found.group(1))

    return per_request(count)


def system_calls(tools, kind, *arguments):
    """System calls per request, 16 connections (strace): {name: calls}, with their sum as "total"."""

    def count(requests):
        with tempfile.TemporaryDirectory(prefix="tornadoc-bench-") as folder:
            out = Path(folder, "strace.out")
            with Server(kind, tools, ["strace", "-f", "-c", "-U", "calls,name", "-o", out], traced=True) as server:
                load(tools, server, "-c", 16, "-n", requests, *arguments)
            found = re.findall(r"^ *(\d+) (\w+)$", out.read_text() if out.exists() else "", re.M)
            if not found:
                raise Failed("strace wrote no totals")
            return {name: int(calls) for calls, name in found}

    few, many = count(SHORT), count(LONG)
    return {name: (many[name] - few.get(name, 0)) / (LONG - SHORT) for name in many}


class Counted:
    """A server with malloc counted in its whole process."""

    def __init__(self, tools, kind):
        self.file = tempfile.NamedTemporaryFile(prefix="tornadoc-bench-")
        self.file.truncate(mmap.PAGESIZE)
        self.map = mmap.mmap(self.file.fileno(), mmap.PAGESIZE)
        library = tools.program("libbench_malloc_count.so")
        self.server = Server(kind, tools, env={"LD_PRELOAD": str(library), "BENCH_COUNTERS": self.file.name})

    def read(self):
        time.sleep(0.2)  # the server is done with what follows its last answer
        mapped, calls, _, live = struct.unpack_from("=QQQQ", self.map)
        if not mapped:
            raise Failed("the malloc counter was not loaded")
        return calls, live

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


def allocations(tools, kind, *arguments):
    """Calls of malloc, calloc and realloc from the 10,000th to the 20,000th keep-alive request, 16 connections."""
    with Counted(tools, kind) as counted:
        with Load(tools, counted.server, "-c", 16, "-n", 10_000, *arguments, hold=True) as run:
            before = counted.read()[0]
            run.again()
            return counted.read()[0] - before


def idle_count():
    """10,000 connections, or as many as the limit on descriptors lets a process have."""
    return min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200)


def idle_bytes(tools, kind, most=IDLE, arguments=()):
    """Bytes from malloc per idle connection that has had an answer, libuv's and all others' included."""
    count = min(most, idle_count())
    with Counted(tools, kind) as counted:
        load(tools, counted.server, "-c", 16, "-n", 1_600, *arguments)
        before = counted.read()[1]
        with Load(tools, counted.server, "-c", count, "-n", 0, *arguments, hold=True):
            return (counted.read()[1] - before) / count


def idle_tls_bytes(tools, kind):
    """The same over TLS 1.3, 5,000 connections: OpenSSL's are the most of them."""
    return idle_bytes(tools, kind + "+tls", IDLE // 2, ["-t", "1.3"])


def idle_private(tools, kind):
    """Private memory per idle connection: whole pages, what the allocator keeps in reserve included."""

    def dirty(server):
        time.sleep(0.2)
        text = Path(f"/proc/{server.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Private_Dirty:\s+(\d+) kB", text, re.M).group(1)) * 1024

    count = idle_count()
    with Server(kind, tools) as server:
        load(tools, server, "-c", 16, "-n", 1_600)
        before = dirty(server)
        with Load(tools, server, "-c", count, "-n", 0, hold=True):
            return (dirty(server) - before) / count


# ---- run: side by side ----

# name: (what it is, arguments of the generator, tornadoc's goal as a multiple of raw, whether nginx is to be beaten)
class Scenario(NamedTuple):
    title: str
    arguments: list
    goal: float = None  # times raw; None: shown only
    goal_nginx: float = None  # times nginx
    tls: bool = False


SCENARIOS = {
    "plain16": Scenario("keep-alive, 16 connections", ["-c", 16], 1.08, 1),
    "plain64": Scenario("keep-alive, 64 connections", ["-c", 64], 1.08, 1),
    "pipe16": Scenario("keep-alive, 64 connections, 16 requests per batch", ["-c", 64, "-d", 16], 1.65, 1),
    "browser": Scenario("keep-alive, 64 connections, a browser's request", ["-c", 64, "-r", "browser"], 1.15, 1),
    "close": Scenario("a new connection per request, 16 at a time", ["-c", 16, "-x"], 1.12),
    "tls64": Scenario("TLS 1.3, keep-alive, 64 connections", ["-c", 64, "-t", "1.3"], 1.06, 0.92, True),
    "tlsnew": Scenario("TLS 1.3, a full handshake per request, 16 at a time", ["-c", 16, "-x", "-t", "1.3"], 1.02, None, True),
    "tlsresumed": Scenario("TLS 1.3, a resumed handshake per request, 16 at a time", ["-c", 16, "-x", "-R", "-t", "1.3"], None, None,
                           True),
    "tls12resumed": Scenario("TLS 1.2, a resumed handshake per request, 16 at a time", ["-c", 16, "-x", "-R", "-t", "1.2"], None, None,
                             True),
}


class Site(NamedTuple):
    """A scenario of the web framework: what is asked of a server of what make_site made."""
    title: str
    connections: int
    path: str
    body: str  # the file that the body is to be
    raw: list  # arguments of the yardstick, behind the answer's file
    goal: float = None
    goal_nginx: float = None
    post: bool = False
    gzip: bool = False
    tls: bool = False

    def arguments(self, site):
        more = (["-f", f"{site}/post.json"] if self.post else []) + (["-g"] if self.gzip else [])
        return ["-c", self.connections, "-u", self.path, *more]

    def request(self, site):
        """What the generator sends, in bytes."""
        fields = ["Host: hello-world.example.com"] + (["Accept-Encoding: gzip"] if self.gzip else [])
        body = Path(site, "post.json").read_bytes() if self.post else b""
        if self.post:
            fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return ("\r\n".join([f"{'POST' if self.post else 'GET'} {self.path} HTTP/1.1", *fields]) + "\r\n\r\n").encode() + body


SITE = {
    "file4k": Site("a file of 4 KB, keep-alive, 64 connections", 64, "/files/4k.css", "files/4k.css", [], None, 0.85),
    "file1m": Site("a file of 1 MB, keep-alive, 16 connections", 16, "/files/1m.bin", "files/1m.bin", ["file", "{site}/files/1m.bin"],
                   None, 1),
    "json": Site("a small object as JSON, keep-alive, 64 connections", 64, "/object.json", "object.json", ["json"]),
    "post1k": Site("1 KB of JSON, read, built again and written, 64 connections", 64, "/object.json", "post.json", ["json"], 1.15,
                   post=True),
    "gzip16k": Site("a page of 16 KB, compressed for each request, 16 connections", 16, "/page.html", "page.html",
                    ["gzip", "{site}/page.html"], None, 1, gzip=True),
}
ROUTES = [1, 20, 500]
# What many routes may cost, as a multiple of one.
ROUTES_GOAL = 1.03
# The same answer by a handler that may await and does not: its goal as a multiple of the one that may not, in the same run.
COROUTINE_GOAL = 1.03
COUNTERS = ["instructions", "syscalls", "memory"]


def note(text):
    print(text, file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def compare(tools, servers, arguments_of, rounds, seconds):
    """`arguments_of` a kind of server: the generator's."""
    runs = {kind: [] for kind in servers}
    kinds = list(servers)
    for i in range(rounds):
        for kind in kinds[i % len(kinds):] + kinds[: i % len(kinds)]:
            warmup = min(0.1, seconds / 4)
            runs[kind].append(load(tools, servers[kind], *arguments_of(kind), "-s", seconds, "-w", warmup,
                                   "-p", servers[kind].pid))
    result = {}
    for kind in kinds:
        ratios = {other: [a["cpu_us"] / b["cpu_us"] for a, b in zip(runs[kind], runs[other])] for other in kinds}
        result[kind] = {key: median(r[key] for r in runs[kind]) for key in ("per_second", "cpu_us", "p50_us", "p99_us")}
        result[kind]["answer_bytes"] = runs[kind][0]["answer_bytes"]
        for other in ("raw", "nginx", "tornadoc", "routes1"):
            if other in ratios and other != kind:
                values = ratios[other]
                result[kind]["times_" + other] = {"median": median(values), "min": min(values), "max": max(values)}
    return result


def judge(result, other, goal):
    ratio = result["tornadoc"]["times_" + other]["median"]
    return f"at most {goal:.2f} x {other}: {'met' if ratio <= goal else 'MISSED'} ({ratio:.2f})"


def print_scenario(name, result):
    scenario = SCENARIOS.get(name) or SITE[name]
    print(f"\n{name}: {scenario.title}")
    print(f"  {'':10}{'requests/s':>12}{'CPU us/request':>16}{'x raw':>8}{'  [min-max]':13}{'p50 us':>9}{'p99 us':>9}")
    for kind, r in result.items():
        ratio = r.get("times_raw")
        text = f"{ratio['median']:8.2f}  [{ratio['min']:.2f}-{ratio['max']:.2f}]" if ratio else f"{'-':>8}{'':13}"
        print(f"  {kind:10}{r['per_second']:12,.0f}{r['cpu_us']:16.2f}{text:21}{r['p50_us']:9.0f}{r['p99_us']:9.0f}")
    goals = {"raw": scenario.goal, "nginx": scenario.goal_nginx}
    judged = [judge(result, other, goal) for other, goal in goals.items() if goal and other in result and "tornadoc" in result]
    if judged:
        print("  goal: " + "; ".join(judged))


def print_coroutine(result):
    print("\ncoroutine: keep-alive, 16 connections, a handler that may await against one that may not")
    for kind, r in result.items():
        print(f"  {kind:10}{r['per_second']:12,.0f} requests/s{r['cpu_us']:10.2f} us of CPU per request")
    ratio = result["coroutine"]["times_tornadoc"]
    print(f"  goal: at most {COROUTINE_GOAL:.2f} x tornadoc: {'met' if ratio['median'] <= COROUTINE_GOAL else 'MISSED'} "
          f"({ratio['median']:.3f} [{ratio['min']:.3f}-{ratio['max']:.3f}])")


def run_coroutines(tools, rounds, seconds):
    servers = {}
    try:
        for kind in ("tornadoc", "coroutine"):
            servers[kind] = Server(kind, tools)
        return compare(tools, servers, lambda _: SCENARIOS["plain16"].arguments, rounds, seconds)
    finally:
        for server in servers.values():
            server.stop()


def run_routes(tools, rounds, seconds):
    servers = {}
    try:
        for count in ROUTES:
            servers[f"routes{count}"] = Server(f"routes{count}", tools)
        return compare(tools, servers, routes_arguments, rounds, seconds)
    finally:
        for server in servers.values():
            server.stop()


def routes_arguments(kind):
    """Each route in its turn, by requests of the same length."""
    return ["-c", 16, "-u", "/r", "-b", BODY, "-k", kind.removeprefix("routes")]


def print_routes(result):
    print("\nroutes: keep-alive, 16 connections, 1, 20 and 500 routes, each asked for in its turn")
    for kind, r in result.items():
        print(f"  {kind:10}{r['per_second']:12,.0f} requests/s{r['cpu_us']:10.2f} us of CPU per request")
    for kind, r in result.items():
        if "times_routes1" in r:
            ratio = r["times_routes1"]
            print(f"  goal: {kind} at most {ROUTES_GOAL:.2f} x routes1: {'met' if ratio['median'] <= ROUTES_GOAL else 'MISSED'} "
                  f"({ratio['median']:.3f} [{ratio['min']:.3f}-{ratio['max']:.3f}])")


def check_body(tools, server, scenario):
    """That a server answers as it has to; the generator then only compares its answers with one another."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    posted = Path(tools.site, "post.json").read_bytes() if scenario.post else None
    fields = {"Accept-Encoding": "gzip"} if scenario.gzip else {}
    if scenario.post:
        fields["Content-Type"] = "application/json"
    connection.request("POST" if scenario.post else "GET", scenario.path, posted, fields)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    coded = response.headers.get("Content-Encoding") == "gzip"
    if response.status != 200 or coded != scenario.gzip:
        raise Failed(f"{server.name}: {response.status}, Content-Encoding {response.headers.get('Content-Encoding')}: {body[:200]!r}")
    if (gzip.decompress(body) if coded else body) != Path(tools.site, scenario.body).read_bytes():
        raise Failed(f"{server.name}: not the body of {scenario.body}, but {body[:200]!r}")


def run_site(tools, folder, name, kinds, rounds, seconds):
    """A scenario of SITE; its servers are its own, for raw differs in each."""
    scenario, servers = SITE[name], {}
    tools.learn_site_answer(folder, name)
    try:
        for kind in kinds:
            if kind in ("raw", "tornadoc") or not scenario.post:
                servers[kind] = Server(f"{kind}+{name}", tools)
                if kind != "raw":  # which takes what the generator sends, and no other
                    check_body(tools, servers[kind], scenario)
        return compare(tools, servers, lambda _: scenario.arguments(tools.site), rounds, seconds)
    finally:
        for server in servers.values():
            server.stop()


def compare_counters(tools, kinds, chosen):
    result = {}
    for kind in kinds:
        r = result[kind] = {}
        note(f"counters: {kind} ...")
        if "instructions" in chosen:
            r["instructions_plain"] = instructions(tools, kind)
            r["instructions_browser"] = instructions(tools, kind, "-r", "browser")
        if "syscalls" in chosen:
            r["syscalls_plain"] = system_calls(tools, kind)
            r["syscalls_pipelined"] = system_calls(tools, kind, "-d", 16)
        if "memory" in chosen:
            r["allocations"] = allocations(tools, kind) / 10_000
            r["idle_bytes"] = idle_bytes(tools, kind)
            r["idle_private"] = idle_private(tools, kind)
            r["idle_tls"] = idle_tls_bytes(tools, kind)
    return result


def print_counters(result, chosen):
    columns = []
    if "instructions" in chosen:
        columns += [("instructions", "plain", lambda r: f"{r['instructions_plain']:,.0f}"),
                    ("instructions", "browser", lambda r: f"{r['instructions_browser']:,.0f}")]
    if "syscalls" in chosen:
        columns += [("system calls", "plain", lambda r: f"{r['syscalls_plain']['total']:.2f}"),
                    ("system calls", "pipelined", lambda r: f"{r['syscalls_pipelined']['total']:.2f}")]
    if "memory" in chosen:
        columns += [("mallocs", "plain", lambda r: f"{r['allocations']:.2f}"),
                    ("idle bytes", "malloc", lambda r: f"{r['idle_bytes']:,.0f}"),
                    ("idle bytes", "private", lambda r: f"{r['idle_private']:,.0f}"),
                    ("idle bytes", "TLS", lambda r: f"{r['idle_tls']:,.0f}")]
    print(f"\nper request, and per idle connection at {idle_count():,}; with TLS 1.3 at half as many")
    print("  " + " " * 10 + "".join(f"{c[0]:>14}" for c in columns))
    print("  " + " " * 10 + "".join(f"{c[1]:>14}" for c in columns))
    for kind, r in result.items():
        print(f"  {kind:10}" + "".join(f"{c[2](r):>14}" for c in columns))
    for kind, r in result.items():
        if "syscalls_plain" in r:
            shares = sorted(((n, name) for name, n in r["syscalls_plain"].items() if name != "total"), reverse=True)
            print(f"  {kind} calls per plain request: "
                  + ", ".join(f"{name} {n:.2f}" for n, name in shares if n >= 0.005))


def machine():
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {"cpu": model.group(1) if model else platform.machine(), "cpus": len(CPUS), "kernel": platform.release(),
            "environment": environment(None)}


def command_run(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="side by side: raw (a bare epoll server, the "
                                     "yardstick), tornadoc, nginx, and for files lighttpd and h2o")
    everything = [*SCENARIOS, "coroutine", *SITE, "routes", *COUNTERS]
    parser.add_argument("--quick", action="store_true", help="a few short rounds, counters of tornadoc only")
    parser.add_argument("--scenario", action="append", choices=everything, metavar="NAME",
                        help="only this one, may be given again: " + ", ".join(everything))
    parser.add_argument("--rounds", type=int, help="rounds per scenario (21; quick 5)")
    parser.add_argument("--seconds", type=float, help="seconds per server and round (0.3; quick 0.2)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--hello", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    rounds = options.rounds or (5 if options.quick else 21)
    seconds = options.seconds or (0.2 if options.quick else 0.3)
    chosen = options.scenario or everything

    tools = Tools(options.programs, options.hello)
    kinds = [kind for kind in ("raw", "tornadoc", "nginx") if tools.have(kind)]
    site_kinds = kinds + [kind for kind in ("lighttpd", "h2o") if tools.have(kind)]
    for kind in ("tornadoc", "nginx", "lighttpd", "h2o"):
        if kind not in site_kinds:
            note(f"{kind} is not here: left out")
    if len(CPUS) < 2:
        note("one CPU only: server and generator share it, times mean little")
    result = {"machine": machine(), "rounds": rounds, "seconds": seconds, "scenarios": {}, "counters": {}}
    if not options.json:
        m = result["machine"]
        print(f"{m['cpu']}, {m['cpus']} CPUs, Linux {m['kernel']}; {rounds} rounds of {seconds:g} s per server")

    with tempfile.TemporaryDirectory(prefix="tornadoc-bench-") as folder:
        if "tornadoc" in kinds:
            tools.learn_answer(folder)
            tools.make_certificate(folder)
        for tls in (False, True):
            names = [name for name, scenario in SCENARIOS.items() if name in chosen and scenario.tls == tls]
            servers = {}
            try:
                for kind in kinds if names else []:
                    servers[kind] = Server(kind + "+tls" if tls else kind, tools)
                for name in names:
                    note(f"{name} ...")
                    r = result["scenarios"][name] = compare(tools, servers, lambda _: SCENARIOS[name].arguments, rounds, seconds)
                    if not options.json:
                        print_scenario(name, r)
            finally:
                for server in servers.values():
                    server.stop()
        if "coroutine" in chosen and "tornadoc" in kinds:
            note("coroutine ...")
            r = result["scenarios"]["coroutine"] = run_coroutines(tools, rounds, seconds)
            if not options.json:
                print_coroutine(r)
                print(subprocess.run([tools.program("bench_coroutines")], stdout=subprocess.PIPE, text=True, check=True).stdout)
        sites = [name for name in SITE if name in chosen and "tornadoc" in kinds]
        if sites:
            tools.site = Path(folder, "site")
            tools.site.mkdir()
            make_site(tools.site)
        for name in sites:
            note(f"{name} ...")
            r = result["scenarios"][name] = run_site(tools, folder, name, site_kinds, rounds, seconds)
            if not options.json:
                print_scenario(name, r)
        if "routes" in chosen and "tornadoc" in kinds:
            note("routes ...")
            r = result["scenarios"]["routes"] = run_routes(tools, rounds, seconds)
            if not options.json:
                print_routes(r)
        counters = [name for name in COUNTERS if name in chosen]
        if counters:
            some = [kind for kind in kinds if kind == "tornadoc" or not options.quick] or kinds[:1]
            result["counters"] = compare_counters(tools, some, counters)
            if not options.json:
                print_counters(result["counters"], counters)
    if options.json:
        print(json.dumps(result, indent=2))
    return 0


# ---- gate: what must not get worse ----

# The goals for instructions, 3,000 and 10,000, are not reached yet: README.md tells what is in the way. The limits stand a
# little above what is, so that it only gets better.
def of_site(count, name):
    """What `count` counts of tornadoc in a scenario of SITE."""
    return lambda t: count(t, f"tornadoc+{name}", *SITE[name].arguments(t.site)[2:])


def of_routes(count):
    return lambda t: instructions(t, f"routes{count}", *routes_arguments(f"routes{count}")[2:])


def whole(count):
    """Per request, of what 10,000 take: the looks at a file, one a second, do not count."""
    return lambda t: count(t) // 10_000


CHECKS = [  # name, limit, unit, how it is counted
    ("instructions-plain", 3750, "instructions per plain request", lambda t: instructions(t, "tornadoc")),
    ("instructions-browser", 11700, "instructions per browser request", lambda t: instructions(t, "tornadoc", "-r", "browser")),
    ("instructions-coroutine", 350, "instructions more for a handler that may await, and does not",
     lambda t: instructions(t, "coroutine") - instructions(t, "tornadoc")),
    ("syscalls-plain", 2.1, "system calls per request", lambda t: system_calls(t, "tornadoc")["total"]),
    ("syscalls-pipelined", 0.15, "system calls per pipelined request", lambda t: system_calls(t, "tornadoc", "-d", 16)["total"]),
    ("allocations-plain", 0, "allocations in 10,000 plain requests", lambda t: allocations(t, "tornadoc")),
    ("allocations-browser", 0, "allocations in 10,000 browser requests", lambda t: allocations(t, "tornadoc", "-r", "browser")),
    ("instructions-file4k", 7600, "instructions per file of 4 KB", of_site(instructions, "file4k")),
    ("instructions-json", 5150, "instructions per small JSON object", of_site(instructions, "json")),
    ("instructions-post1k", 31400, "instructions per 1 KB of JSON, read, built and written", of_site(instructions, "post1k")),
    ("instructions-routes1", 3900, "instructions per request with one route", of_routes(1)),
    ("instructions-routes500", 3900, "instructions per request with 500 routes", of_routes(500)),
    ("syscalls-file4k", 2.1, "system calls per file of 4 KB", lambda t: of_site(system_calls, "file4k")(t)["total"]),
    ("allocations-file4k", 0, "allocations per file of 4 KB", whole(of_site(allocations, "file4k"))),
    ("allocations-json", 0, "allocations per small JSON object", whole(of_site(allocations, "json"))),
    ("allocations-post1k", 0, "allocations per 1 KB of JSON, read, built and written", whole(of_site(allocations, "post1k"))),
    ("idle-bytes", 640, "bytes per idle connection", lambda t: idle_bytes(t, "tornadoc")),
]


def environment(folder):
    """What decides the exact counts: distribution, machine, compiler."""
    release = platform.freedesktop_os_release()
    parts = [release.get("ID", "linux") + "-" + release.get("VERSION_ID", "?"), platform.machine()]
    if folder:
        parts.append(Path(folder, "compiler.txt").read_text().strip())
    return "/".join(parts)


def read_baseline():
    lines = [line.split() for line in BASELINE.read_text().splitlines() if line and not line.startswith("#")]
    return {(where, name): float(value) for where, name, value in lines}


def write_baseline(values):
    head = [line for line in BASELINE.read_text().splitlines() if line.startswith("#")]
    lines = [f"{where} {name} {value:.4g}" if value < 100 else f"{where} {name} {value:.0f}"
             for (where, name), value in sorted(values.items())]
    BASELINE.write_text("\n".join(head + lines) + "\n")


def command_gate(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench/gate", description="the counters that do not depend on the "
                                     "machine's mood, against their limits and the recorded baseline")
    parser.add_argument("--record", action="store_true", help="record what is counted as this environment's baseline")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--hello", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    tools = Tools(options.programs, options.hello)
    if not tools.have("tornadoc"):
        raise Failed(f"{tools.hello} is missing")
    with tempfile.TemporaryDirectory(prefix="tornadoc-bench-") as folder:
        tools.site = Path(folder)
        make_site(folder)
        return check_all(tools, options)


def check_all(tools, options):
    where, baseline = environment(options.programs), read_baseline()
    passed = failed = 0
    if not options.record and not any(key[0] == where for key in baseline):
        print(f"no baseline for {where}: only the limits count")

    def problem_with(value, limit, before):
        if value > limit * SLACK:
            return "over the limit"
        if before is not None and value > before * SLACK:
            return f"{(value / before - 1) * 100:.1f} % over what was recorded"
        return None

    for name, limit, unit, count in CHECKS:
        before = None if options.record else baseline.get((where, name))
        if name == "idle-bytes" and idle_count() < IDLE:
            unit += f" (at {idle_count():,}: the limit on descriptors allows no more)"
        try:
            value = count(tools)
            for _ in range(2):  # a busy machine adds turns of the loop, it never takes any away: the lowest counts
                if problem_with(value, limit, before):
                    value = min(value, count(tools))
            problem = problem_with(value, limit, before)
        except Failed as error:
            print(f"FAIL {name}: {error}", flush=True)
            failed += 1
            continue
        text = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3f}"
        line = f"{text} {unit}, at most {limit:,g}" + (f", recorded {before:,g}" if before is not None else "")
        print(f"FAIL {name}: {line}: {problem}" if problem else f"ok   {name}: {line}", flush=True)
        failed += problem is not None
        passed += problem is None
        baseline[where, name] = value
    if options.record and not failed:
        write_baseline(baseline)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return {"run": command_run, "gate": command_gate}[sys.argv[1]](sys.argv[2:])
    except Failed as error:
        note(f"tests/bench/{sys.argv[1]}: {error}")
    except KeyboardInterrupt:
        note("interrupted")
    return 1


if __name__ == "__main__":
    sys.exit(main())
