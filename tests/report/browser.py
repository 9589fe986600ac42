"""Chromium without a window, driven over its debugging pipe; for the tests of what pages do."""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), "")
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="NOT TESTED: no Chromium, so no page was opened in it"),
]


class Page:
    """One page: commands of the DevTools protocol, and shorthands for what a person does."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            if "method" in answer and self._session is not None:
                self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], 60)
            assert ready, "Chromium does not answer"
            block = os.read(self._in, 1 << 20)
            assert block, "Chromium has ended"
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait(self, condition: str) -> None:
        end = time.monotonic() + 30
        while not self.run(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.02)

    def press(self, key: str, text: str = "") -> None:
        code = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32, "/": 191}.get(key, 0)
        shared = {"key": key, "windowsVirtualKeyCode": code}
        if text:
            shared["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **shared)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def size(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def contrast(self, ink: str, ground: str) -> float:
        """Contrast ratio of the text of one element and the ground of another, 1 to 21 (WCAG 2.2)."""
        numbers = "(c => c.match(/[\\d.]+/g).slice(0, 3).map(Number))"
        places = (ink, "color"), (ground, "backgroundColor")
        styles = (f"getComputedStyle(document.querySelector('{at}')).{what}" for at, what in places)
        parts = np.array([self.run(f"{numbers}({style})") for style in styles]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
        return (high + 0.05) / (low + 0.05)

    def faults(self) -> list[Any]:
        """Exceptions in the page, and what it logs."""
        bad = ("Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event["method"] in bad]


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Starts the browser with a fresh profile, and ends it."""
    commands, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    arguments = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--lang=en", f"--user-data-dir={profile}", "--remote-debugging-pipe"),
    ]
    # the pipe is expected as descriptors 3 and 4
    script = f'exec "$@" 3<&{commands} 4>&{answers}'
    line, silent = ["bash", "-c", script, "bash", *arguments], subprocess.DEVNULL
    process = subprocess.Popen(line, pass_fds=(commands, answers), stdout=silent, stderr=silent)
    os.close(commands)
    os.close(answers)
    try:
        yield Page(to_browser, from_browser)
    finally:
        os.close(to_browser)  # the browser ends with its pipe
        os.close(from_browser)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
