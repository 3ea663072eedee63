import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import Store, StoreWriter
from hwgen.study.page import Study, write_study

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


@pytest.fixture(scope="session")
def make_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Store]:
    """A store of different images; `dark` ones are darker than all others."""
    folder = tmp_path_factory.mktemp("stores")

    def make(
        name: str,
        *,
        labels: tuple[str, ...] = ("一", "丨", "十"),
        per_class: int = 8,
        size: int = 16,
        dark: bool = False,
        shape: tuple[int, ...] = (),
        kind: str = "gnt",
    ) -> Store:
        rng = np.random.default_rng(len(name))
        channels = 3 if shape else 1
        with StoreWriter(folder / name, size=size, channels=channels, recipe={}) as writer:
            for label in labels:
                for i in range(per_class):
                    image = rng.integers(0, 50, (size, size, *shape), np.uint8)
                    image += np.uint8(0 if dark else 200)
                    writer.add(Record(image, label, "", "here", i))
            return writer.finish(charset=Charset(labels), origin={"kind": kind})

    return make


@pytest.fixture(scope="session")
def stores(make_store: Callable[..., Store]) -> tuple[Store, Store]:
    return make_store("light"), make_store("dark", dark=True)


@pytest.fixture
def study(stores: tuple[Store, Store], tmp_path: Path) -> Study:
    """A study of 12 pairs, 4 of them shown twice."""
    light, dark = stores
    return write_study(light.path, dark.path, tmp_path / "s.html", pairs=12, controls=4)


def embedded(page: Path) -> dict[str, Any]:
    """The data embedded in a page."""
    text = page.read_text(encoding="utf-8")
    start = text.index(">", text.index('type="application/json"')) + 1
    value: dict[str, Any] = json.loads(text[start : text.index("</script>", start)])
    return value


@pytest.fixture
def page_data() -> Callable[[Path], dict[str, Any]]:
    return embedded


class Browser:
    """One page in headless Chromium, controlled over the DevTools protocol with real input events.

    The protocol goes over two pipes (messages end with a zero byte), so nothing but Chromium is
    needed.
    """

    def __init__(self, program: str, profile: Path) -> None:
        there, self._out = os.pipe()
        self._in, back = os.pipe()
        # Chromium reads from 3 and writes to 4.
        shell = f'exec "$0" "$@" 3<&{there} 4>&{back}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, program, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(there, back),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(there)
        os.close(back)
        self._buffer, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._notice(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._in, 1 << 16)
            assert read, "Chromium ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        value: dict[str, Any] = json.loads(message)
        return value

    def _notice(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.problems.append(json.dumps(params))
        elif method == "Page.javascriptDialogOpening":
            self._number += 1
            accept = {"method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            message = {"id": self._number, "sessionId": self._session, **accept}
            os.write(self._out, json.dumps(message).encode() + b"\0")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        waiting = f"""new Promise((resolve, reject) => {{
          const look = () => ({condition}) ? resolve(true) : setTimeout(look, 5);
          setTimeout(() => reject(new Error("never so")), 20000);
          look();
        }})"""
        self.js(waiting)

    def js(self, expression: str) -> Any:
        """The value of an expression."""
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def open(self, page: Path) -> None:
        self.call("Page.navigate", url=page.as_uri())
        self.wait(f"location.href === '{page.as_uri()}' && document.readyState === 'complete'")

    def reload(self) -> None:
        self.js("globalThis.old = true")
        self.call("Page.reload")
        self.wait("!globalThis.old && document.readyState === 'complete'")

    def screen(self, width: int, height: int = 800, ratio: float = 1, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def key(self, key: str, **more: Any) -> None:
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Backspace": 8}.get(key, ord(key[0]))
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code, **more}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def _middle(self, selector: str) -> dict[str, float]:
        where: dict[str, float] = self.js(f"""(() => {{
          const e = document.querySelector({json.dumps(selector)});
          e.scrollIntoView({{block: "center"}});
          const r = e.getBoundingClientRect();
          if (!r.width) throw new Error("not shown");
          return {{x: r.x + r.width / 2, y: r.y + r.height / 2}};
        }})()""")
        return where

    def click(self, selector: str) -> None:
        at = self._middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def tap(self, selector: str) -> None:
        at = self._middle(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def shot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)
        with self._process as process:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser found (looked for {', '.join(_NAMES)})")
    opened = Browser(program, tmp_path / "profile")
    yield opened
    opened.close()
