"""
A real browser without a window: Chromium, asked over the pipe that its developer tools listen to.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECONDS = 60.0


def chromium() -> str | None:
    """Return the path of a Chromium, None if there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class BrowserError(Exception):
    """The browser refuses, or does not answer."""


class Browser:
    """
    A browser with one page, until :meth:`close`.

    :param path: of the program.
    """

    def __init__(self, path: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="eventsd-browser-")
        ours_out, theirs_in = os.pipe()[::-1]
        theirs_out, ours_in = os.pipe()[::-1]
        # It reads from descriptor 3 and writes into 4; the shell puts ours there.
        command = [
            path,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={self._profile}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "browser", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._to, self._from = ours_out, ours_in
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        #: What the page was told by the developer tools: messages of the console, violations of its policy.
        self.told: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def show(self, width: int, *, dark: bool = False, scripts: bool = True, media: str = "") -> None:
        """
        Say how pages are shown from now on.

        :param width: of the window, in pixels.
        :param dark: whether the user prefers dark pages.
        :param scripts: whether scripts run.
        :param media: ``print`` as on paper.
        """
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self, path: Path) -> None:
        """
        Load a file, and wait until it is loaded.

        :param path: of the file.
        """
        self.told.clear()
        self.call("Page.navigate", url=path.as_uri())
        self._read_until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """
        Return the value of an expression of JavaScript in the page.

        :param expression: of a value that JSON has words for.
        """
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def screenshot(self, path: Path, top: int = 0, height: int = 16_000) -> None:
        """
        Take a picture of the page.

        :param path: of the PNG.
        :param top: where it begins, in pixels.
        :param height: of how much of it, in pixels.
        """
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "height": min(height, size["height"] - top), "scale": 1}
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """
        Call a method of the developer tools' protocol.

        :param method: its name.
        :param parameters: its own.
        """
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._to, left) :]
        answer = self._read_until(lambda told: told.get("id") == number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read_until(self, is_wanted: Any) -> dict[str, Any]:
        until = time.monotonic() + _SECONDS
        while True:
            while b"\0" in self._rest:
                first, _, self._rest = self._rest.partition(b"\0")
                message: dict[str, Any] = json.loads(first)
                if is_wanted(message):
                    return message
                self.told.append(message)
            if not select.select([self._from], [], [], max(0.0, until - time.monotonic()))[0]:
                raise BrowserError(f"no answer within {_SECONDS:.0f} s")
            read = os.read(self._from, 1 << 16)
            if not read:
                raise BrowserError("it has ended")
            self._rest += read
