"""A real browser without a screen, driven by its DevTools protocol over a pipe; nothing but the standard library.

https://chromedevtools.github.io/devtools-protocol/; with --remote-debugging-pipe messages are JSON ended by a zero
byte, read from descriptor 3 and written to descriptor 4.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--no-proxy-server",
    "--remote-debugging-pipe", "--window-size=1200,900", "--lang=en-US",
)  # fmt: skip
# Moves the two pipes to the descriptors that the protocol wants.
MOVE = """import fcntl, os, sys
moved = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
os.dup2(moved[0], 3), os.dup2(moved[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])"""
# What a page says wherever it keeps it: texts inside shadow roots too.
TEXT = """(() => { const all = []; const walk = (node) => {
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.childNodes) {
    if (child.nodeType === 3) all.push(child.textContent);
    else if (child.nodeType === 1 && !['STYLE', 'SCRIPT'].includes(child.tagName)) walk(child);
  } };
  walk(document.body || document); return all.join(' ').replace(/\\s+/g, ' '); })()"""


def browser() -> str:
    """The browser's program. Raises RuntimeError where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if found is None:
        raise RuntimeError("there is neither chromium nor google-chrome here")
    return found


class Chromium:
    """One browser with a profile of its own and one tab."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._numbers = itertools.count(1)
        self._rest = b""

    def __enter__(self) -> Self:
        (reads, writes), (answers, told) = os.pipe(), os.pipe()
        words = [browser(), *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", MOVE, str(reads), str(told), *words],
            pass_fds=(reads, told), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reads)
        os.close(told)
        self._out, self._in = writes, answers
        page = next(t for t in self._ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self._ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = str(attached["sessionId"])
        self.call("Page.enable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            self._ask("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **params: Any) -> Any:
        """Ask something of the tab."""
        return self._ask(method, self._session, **params)

    def open(self, url: str) -> None:
        """Go there."""
        self.call("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """What an expression in the page is, as JSON."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def text(self) -> str:
        """What the page says."""
        return str(self.js(TEXT))

    def wait(self, what: str, seconds: float) -> str:
        """Wait until the page says something, and return all that it says."""
        end = time.monotonic() + seconds
        while what not in (said := self.text()):
            assert time.monotonic() < end, f"{what!r} is not in: {said[:3000]}"
            time.sleep(0.3)
        return said

    def type(self, text: str) -> None:
        """Type a text where the cursor is."""
        self.call("Input.insertText", text=text)

    def enter(self) -> None:
        """Press Enter."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self, file: Path) -> None:
        """Keep what is to be seen."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, session: str = "", **params: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 120
        while True:
            told = self._next(end)
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def _next(self, end: float) -> Any:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            piece = os.read(self._in, 1 << 16)
            if not piece:
                raise OSError("the browser has ended")
            self._rest += piece
        whole, _, self._rest = self._rest.partition(b"\0")
        return json.loads(whole)
