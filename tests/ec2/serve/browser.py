"""A headless Chromium, driven over a pipe with the DevTools protocol. It needs nothing but the program."""

import itertools
import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
PROGRAM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = ("--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
KEYS = {"Tab": 9, "ArrowRight": 39, "ArrowDown": 40, "End": 35, "Enter": 13}


class Browser:
    """A browser with one page; `with` ends it."""

    def __init__(self, profile):
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def become_3_and_4():
            os.dup2(to_browser, 53)
            os.dup2(from_browser, 54)
            os.dup2(53, 3)
            os.dup2(54, 4)

        self._process = subprocess.Popen(  # noqa: S603 - a browser
            [PROGRAM, *OPTIONS, "--remote-debugging-pipe", "--window-size=900,700", f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=become_3_and_4,  # noqa: PLW1509 - the tests of this file start no threads before
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session = None
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def do(self, method, **parameters):
        """Send a command, and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self):
        while b"\0" not in self._buffer:
            chunk = os.read(self._read, 1 << 16)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return message

    def evaluate(self, expression):
        """Return the value of JavaScript."""
        result = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression):
        """Wait until JavaScript is true."""
        end_s = time.monotonic() + 30
        while not self.evaluate(expression):
            assert time.monotonic() < end_s, expression
            time.sleep(0.1)

    def press(self, key):
        """Press a key, and release it."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **text)
