"""For the script tests: start a program that serves on port 8888, ask it with curl, end it, look at what it wrote."""
import atexit
import ctypes
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["BUILD_DIR"])
SANITIZED = bool(os.environ["SANITIZED"])
COROUTINES = os.environ["COROUTINES"] != "OFF"
PORT = 8888
LOG_LINE = re.compile(r"\[[DIWE] \d{6} \d\d:\d\d:\d\d [a-z]+\] ")


def take_the_port():
    """Programs listen on port 8888, as their users' do. Give this test a network of its own where the kernel lets us; elsewhere wait
    for our turn, and for whoever else has the port."""
    CLONE_NEWNET, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8913, 0x8914, 1
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                (up,) = struct.unpack_from("H", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0)), 16)
                fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", up | IFF_UP))
            return
    except (OSError, AttributeError):
        pass
    global turn
    lock = pathlib.Path(tempfile.gettempdir()) / "tornadoc-port-8888"
    turn = os.open(lock, os.O_RDONLY if lock.exists() else os.O_RDONLY | os.O_CREAT, 0o644)
    fcntl.flock(turn, fcntl.LOCK_EX)
    deadline = time.monotonic() + 60
    while is_listening():
        if time.monotonic() > deadline:
            print(f"port {PORT} is in use\n0 passed, 1 failed")
            sys.exit(1)
        time.sleep(0.2)


def is_listening(port=PORT):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


running = []


@atexit.register
def kill_all():
    while running:
        running.pop().kill()


def is_like(line, wanted):
    return wanted.fullmatch(line) if isinstance(wanted, re.Pattern) else line.startswith(wanted)


class Program:
    """A program that serves, until `end`."""

    def __init__(self, *command, port=PORT, folder=None):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(word) for word in command], stdout=self.out, stderr=self.err, stdin=subprocess.DEVNULL,
                                        cwd=folder)
        running.append(self)
        deadline = time.monotonic() + 60
        while port and not is_listening(port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command[0]} does not serve: status {self.process.poll()}, {self.stderr()}")
            time.sleep(0.02)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def read(self, file):
        return os.pread(file.fileno(), 1 << 20, 0).decode()

    def stdout(self):
        return self.read(self.out)

    def stderr(self):
        return self.read(self.err)

    def wait_for_log(self, count):
        """Until it has logged so many lines: those of several connections have no order but this."""
        deadline = time.monotonic() + 20
        while self.stderr().count("\n") < count:
            assert time.monotonic() < deadline, f"{count} lines wanted: {self.stderr()}"
            time.sleep(0.01)

    def end(self, log=(), beside="404 GET /favicon.ico"):
        """SIGTERM; it must end with status 0, having logged just the messages `log` (prefixes or patterns of them, in order), but for
        those like `beside`: a browser asks for its icon when it likes."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        lines = [line for line in (LOG_LINE.sub("", line) for line in self.stderr().splitlines()) if not is_like(line, beside)]
        assert status == 0, f"status {status}: {self.stderr()}"
        assert len(lines) == len(log) and all(map(is_like, lines, log)), f"stderr: {lines}, not {list(log)}"


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        self.status = int(line.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}

    def json(self):
        return json.loads(self.body)


def curl(path, *options, port=PORT, host="localhost"):
    """What curl shows for a path and the options of a user."""
    url = path if "://" in path else f"http://{host}:{port}{path}"
    command = ["curl", "--silent", "--show-error", "--include", "--max-time", "60", "--noproxy", "*", "--path-as-is",
               "--header", "Expect:", *options, url]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}"
    return Answer(done.stdout.decode())


class Waiter:
    """A client whose answer is still to come."""

    def __init__(self, path):
        self.sock = socket.create_connection(("127.0.0.1", PORT), timeout=60)
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    def is_answered(self):
        return bool(select.select([self.sock], [], [], 0)[0])

    def answer(self):
        with self.sock, self.sock.makefile("rb") as stream:
            return Answer(stream.read().decode())

    def leave(self):
        self.sock.close()


def let_wait(*paths):
    """Clients of these paths, whom the server has heard: somebody who came after them is answered."""
    waiters = [Waiter(path) for path in paths]
    curl("/nowhere")
    return waiters


def sooner_than(seconds, ask):
    """What `ask` returns when it takes less than that: it never would if what it asks for came one after the other. A machine that has
    much else to do is asked again."""
    for _ in range(5):
        begin = time.monotonic()
        answer = ask()
        if time.monotonic() - begin < seconds:
            return answer
    raise AssertionError(f"one after the other: it never took less than {seconds} s")


def equal(found, wanted):
    assert found == wanted, f"{found!r}, not {wanted!r}"


def code_lines(path):
    """How many lines are neither blank nor comment."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
    return sum(bool(line.strip()) for line in text.splitlines())


def main(tests):
    """Run every test in order; the last line counts them."""
    if not shutil.which("curl"):
        sys.exit("curl not found")
    take_the_port()
    failed = 0
    for name, test in tests:
        try:
            test()
            print("ok -", name)
        except Exception as problem:  # a test that breaks has failed
            failed += 1
            print("not ok -", name)
            print("   ", problem if isinstance(problem, AssertionError) and problem.args else traceback.format_exc())
        kill_all()
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


def tests_of(namespace):
    """The functions of a module that start with test_, as (name, function)."""
    return [(name[5:].replace("_", " "), value) for name, value in namespace.items() if name.startswith("test_")]
