"""Headless Chromium over the pipe of its DevTools: what a page shows, asks the network for, and complains about."""

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Browser:
    """A browser with one tab; what it reports about the page is in `events`."""

    def __init__(self, profile: Path) -> None:
        self.events, self._ids, self._rest, self._session = [], count(1), b"", None
        to_child, self._to = os.pipe()
        self._from, from_child = os.pipe()
        # The protocol reads from descriptor 3 and writes to 4.
        line = f'exec "$0" "$@" 3<&{to_child} 4>&{from_child}'
        words = ["bash", "-c", line, PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with ExitStack() as ends:
            ends.callback(os.close, to_child)
            ends.callback(os.close, from_child)
            self._process = subprocess.Popen(
                words, pass_fds=(to_child, from_child), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        """End the browser."""
        session, self._session = self._session, None
        assert session
        self.call("Browser.close")
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)

    def call(self, method, **parameters):
        """Return what a method of the protocol returns."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, file, *, width=1280, height=900, dark=False, media="screen"):
        """Open a file in a window of that width and wait until it is shown."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=Path(file).resolve().as_uri())
        until = time.monotonic() + 60
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < until, "the page was not shown within a minute"
            self.events.append(self._read())

    def run(self, script):
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, file, *, clip=None):
        """Write a picture of the whole page, or of a part (x, y, width, height)."""
        more = {}
        if clip:
            more = {"clip": dict(zip(("x", "y", "width", "height"), clip, strict=True), scale=1)}
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png", **more)
        Path(file).write_bytes(base64.b64decode(taken["data"]))

    def complaints(self):
        """Return what the console holds: errors, warnings, exceptions, what a policy refused."""
        names = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in names]

    def requests(self):
        """Return the addresses that the page asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def _read(self):
        while b"\0" not in self._rest:
            read = os.read(self._from, 1 << 20)
            assert read, "the browser has ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)
