"""Chromium without a window, driven over its DevTools protocol: messages of JSON, a NUL behind each, on descriptors 3 and 4."""
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]


def find():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A page of a browser, until `close`."""

    def __init__(self, *flags, seconds=60):
        self.deadline = time.monotonic() + seconds
        self.ids, self.received, self.events = itertools.count(1), b"", []
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        its_end, self.out = os.pipe()
        self.into, its_answers = os.pipe()
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (its_end, its_answers)]

        def take_ends():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", *flags,
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(3, 4), preexec_fn=take_ends)
        for fd in (its_end, its_answers, *ends):
            os.close(fd)
        target = self.call("Target.createTarget", session=None, url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", session=None, targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.profile.cleanup()

    def next_message(self):
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.into], [], [], max(0, self.deadline - time.monotonic()))
            piece = os.read(self.into, 65536) if ready else b""
            assert piece, "the browser ended" if ready else "the browser takes too long"
            self.received += piece
        text, _, self.received = self.received.partition(b"\0")
        return json.loads(text)

    def call(self, method, session="own", **parameters):
        """What the protocol's method returns; events that come meanwhile are kept."""
        message = {"id": next(self.ids), "method": method, "params": parameters}
        if session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == message["id"]:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer.get("method"))

    def wait_for(self, event):
        while event not in self.events:
            self.events.append(self.next_message().get("method"))
        self.events.clear()

    def open(self, url):
        """None; or why the page is not there, as net::ERR_…"""
        self.events.clear()
        problem = self.call("Page.navigate", url=url).get("errorText")
        self.wait_for("Page.loadEventFired")
        return problem

    def run(self, script):
        """The value of a script's last expression, awaited if it is a promise."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def type(self, selector, text):
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def choose_files(self, selector, *paths):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def click(self, selector):
        """Click on what leads to another page, and wait for it."""
        self.events.clear()
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self.wait_for("Page.loadEventFired")
