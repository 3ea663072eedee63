import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.report.page import write_report
from hwgen.runs import Run
from hwgen.store import Store

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
    "--hide-scrollbars",
)

# What a browser makes of the page, written into its DOM: run in a copy of the page, without the
# policy that forbids scripts, in a frame of the width to test.
_PROBE = """
<script>addEventListener("load", () => {
  const root = document.documentElement;
  const found = {
    width: innerWidth,
    overflow: root.scrollWidth - root.clientWidth,
    wide: [...document.querySelectorAll("main *")]
      .filter(e => !e.closest(".scroll, pre, svg") && e.getBoundingClientRect().right > innerWidth)
      .map(e => e.tagName + "." + e.className),
    images: document.images.length,
    broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
    flat: [...document.querySelectorAll("svg")].filter(s => s.clientHeight < 50).length,
    headings: [...document.querySelectorAll("h2")]
      .filter(h => h.offsetHeight).map(h => h.innerText),
    background: getComputedStyle(document.body).backgroundColor,
    line: getComputedStyle(document.querySelector("svg [style*='stroke: var(--series-1)']")).stroke,
    loaded: performance.getEntriesByType("resource").map(e => e.name)
      .filter(name => !name.startsWith("data:")),
  };
  parent.document.getElementById("found").textContent = JSON.stringify(found);
});</script>
"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser found (looked for {', '.join(_NAMES)})")
    return found


@pytest.fixture
def report(
    tmp_path: Path,
    make_run: Callable[..., Run],
    make_benchmark: Callable[..., Path],
    make_store: Callable[..., Store],
) -> Path:
    inputs = [
        make_run("a-run-with-a-name-that-is-much-too-long-for-any-phone-" + "x" * 40).path,
        make_benchmark(),
        make_store("synth", kind="synthetic", labels=("一", "a_class_with_a_long_name", "已")).path,
        make_store("hand", kind="gnt", labels=("一", "a_class_with_a_long_name", "已")).path,
    ]
    return write_report(inputs, tmp_path / "report.html")


def run_browser(browser: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [browser, *_FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def probe(browser: str, report: Path, width: int, *flags: str) -> dict[str, Any]:
    text = report.read_text(encoding="utf-8")
    text, dropped = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert dropped == 1
    inner = text.replace("</body>", _PROBE + "</body>")
    # A frame, since a browser's own window may not become as narrow as a phone.
    outer = report.with_name("outer.html")
    outer.write_text(
        '<!doctype html><meta charset="utf-8"><pre id="found"></pre>'
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(inner)}">'
        "</iframe>",
        encoding="utf-8",
    )
    dom = run_browser(browser, report.parent, *flags, "--dump-dom", outer.as_uri())
    written = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert written is not None
    found: dict[str, Any] = json.loads(html.unescape(written[1]))
    assert found["width"] == width
    return found


@pytest.mark.parametrize("width", [400, 1100])
def test_the_page_fits_and_is_whole(browser: str, report: Path, width: int) -> None:
    found = probe(browser, report, width)
    assert found["overflow"] == 0
    assert found["wide"] == []
    assert found["broken"] == 0
    assert found["images"] == 8 + 6
    assert found["flat"] == 0
    assert found["loaded"] == []
    kinds = [heading.split()[0] for heading in found["headings"]]
    assert kinds == ["Benchmark", "Synthetic", "Training", "Provenance"]


def test_plots_follow_the_reader_s_colours(browser: str, report: Path) -> None:
    light = probe(browser, report, 800, "--blink-settings=preferredColorScheme=1")
    dark = probe(browser, report, 800, "--blink-settings=preferredColorScheme=0")
    assert light["background"] == "rgb(251, 250, 248)"
    assert dark["background"] == "rgb(22, 24, 27)"
    assert light["line"] == "rgb(31, 98, 176)"
    assert dark["line"] == "rgb(116, 174, 240)"


def test_the_page_as_written_is_rendered(browser: str, report: Path, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    flags = ("--blink-settings=preferredColorScheme=1", "--window-size=1200,3000")
    run_browser(browser, tmp_path, *flags, f"--screenshot={shot}", report.as_uri())
    pixels = np.asarray(PilImage.open(shot).convert("RGB")).reshape(-1, 3).astype(int)
    # The page's ground, the text, and the blue of the first series are all there.
    for colour, at_least in (((251, 250, 248), 50_000), ((29, 31, 34), 500), ((31, 98, 176), 200)):
        assert (abs(pixels - colour).max(axis=1) <= 2).sum() > at_least
