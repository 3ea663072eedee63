import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.store import Store
from hwgen.study.page import Study, write_study
from hwgen.study.tally import tally
from hwgen.study.votes import read_ballots, read_key

Data = Callable[[Path], dict[str, Any]]
ACTIONS = {
    "left": [("key", "ArrowLeft"), ("key", "1"), ("click", "#left"), ("tap", "#left")],
    "right": [("key", "ArrowRight"), ("key", "2"), ("click", "#right"), ("tap", "#right")],
}


def votes_of(browser: Any, study: Study) -> list[str]:
    """Choices that the browser stores."""
    kept = json.loads(browser.js(f"localStorage.getItem('hwgen-study-{study.id}')"))
    return [vote["choice"] for vote in kept["votes"]]


def wait_for_pair(browser: Any, number: int, of: int = 16) -> None:
    browser.wait(f"document.querySelector('#count').textContent === '{number} of {of}'")
    # A choice within this time would count as one on the pair before.
    browser.js("new Promise((resolve) => setTimeout(resolve, 220))")


def start(browser: Any, study: Study, name: str = "") -> None:
    browser.open(study.page)
    browser.click("#name")
    browser.type(name)
    browser.click("#begin")
    wait_for_pair(browser, 1, study.pairs + study.controls)


@pytest.fixture
def downloads(browser: Any, tmp_path: Path) -> Callable[[], Path]:
    """Waits for the file that the page saves."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def wait() -> Path:
        for _ in range(2000):
            files = list(folder.glob("*.json"))
            if files and files[0].stat().st_size:
                return files[0]
            time.sleep(0.005)
        raise AssertionError("nothing was saved")

    return wait


def test_a_person_votes_and_the_votes_are_counted(
    browser: Any, study: Study, page_data: Data, downloads: Callable[[], Path]
) -> None:
    data, key = page_data(study.page), read_key(study.key)
    start(browser, study, "  Li <b>  ")
    # A in the first ten showings, B in the others; by key, mouse and touch in turn.
    expected = []
    for i, pair in enumerate(data["pairs"]):
        wait_for_pair(browser, i + 1)
        wanted = "a" if i < 10 else "b"
        choice = "left" if key.pairs[pair["id"]].left == wanted else "right"
        src = [browser.js(f"document.querySelector('#{side}-image').src") for side in ACTIONS]
        assert src == [data["pictures"][pair[side]] for side in ACTIONS]
        assert browser.js("document.querySelector('#of span').textContent") == pair["label"]
        how, what = ACTIONS[choice][i % 4]
        getattr(browser, how)(what)
        expected.append(choice)
    browser.wait("document.querySelector('#end').offsetHeight")
    assert votes_of(browser, study) == expected
    assert "all 16 pairs" in browser.js("document.querySelector('#thanks').textContent")
    browser.click("#download")
    file = downloads()
    shown = browser.js("document.querySelector('#votes').value")
    assert file.read_text(encoding="utf-8") == shown
    browser.click("#copy")
    browser.wait("document.querySelector('#status').textContent === 'Copied'")

    (ballot,) = read_ballots([file], key)
    assert ballot.voter == "Li <b>"
    found = tally(key, [ballot], max_disagreement=1)
    firsts = [i for i, pair in enumerate(key.pairs.values()) if pair.repeats is None]
    assert found.preference.a == sum(i < 10 for i in firsts)
    assert found.preference.a + found.preference.b == 12
    places = {name: i for i, name in enumerate(key.pairs)}
    again = [p for p in key.pairs.values() if p.repeats is not None]
    across = sum(places[p.repeats] < 10 <= places[p.id] for p in again if p.repeats)
    assert across > 0
    assert (found.voters[0].controls, found.voters[0].disagreements) == (4, across)
    assert found.left.mean == expected.count("left") / 16
    # Each vote has its time; nothing went to the network, and nothing failed.
    assert all(vote["ms"] >= 200 for vote in json.loads(shown)["votes"])
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data", "blob"}
    assert browser.problems == []


def test_undo_removes_the_last_choice(browser: Any, study: Study) -> None:
    start(browser, study)
    browser.key("Backspace")  # nothing to undo
    assert browser.js("document.querySelector('#undo').disabled")
    for number in (2, 3):
        browser.key("ArrowLeft")
        wait_for_pair(browser, number)
    browser.key("Backspace")
    wait_for_pair(browser, 2)
    assert votes_of(browser, study) == ["left"]
    browser.key("2")
    wait_for_pair(browser, 3)
    assert votes_of(browser, study) == ["left", "right"]
    browser.click("#undo")
    wait_for_pair(browser, 2)
    assert votes_of(browser, study) == ["left"]


def test_a_reload_continues(browser: Any, study: Study) -> None:
    start(browser, study, "Wang")
    browser.key("1")
    wait_for_pair(browser, 2)
    browser.reload()
    wait_for_pair(browser, 2)
    assert not browser.js("document.querySelector('#start').offsetHeight")
    browser.click("#right")
    wait_for_pair(browser, 3)
    assert votes_of(browser, study) == ["left", "right"]
    # Stopping early, and continuing.
    browser.click("#stop")
    browser.wait("document.querySelector('#end').offsetHeight")
    browser.key("ArrowLeft")
    browser.key("Backspace")
    early = json.loads(browser.js("document.querySelector('#votes').value"))
    assert [vote["choice"] for vote in early["votes"]] == ["left", "right"]
    assert early["voter"]["name"] == "Wang"
    browser.click("#back")
    wait_for_pair(browser, 3)


def test_other_keys_do_not_vote(browser: Any, study: Study) -> None:
    browser.open(study.page)
    browser.click("#name")
    for key in ("1", "ArrowLeft"):
        browser.key(key)
    browser.key("ArrowLeft")
    browser.click("#begin")
    wait_for_pair(browser, 1)
    browser.key("ArrowLeft", modifiers=2)  # Control
    browser.key("3")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft", autoRepeat=True)
    assert votes_of(browser, study) == []
    # The second of two immediate choices was meant for the pair before.
    browser.js(
        "for (const _ of [1, 2]) "
        "dispatchEvent.call(document.body, new KeyboardEvent('keydown', {key: '1', bubbles: true}))"
    )
    assert votes_of(browser, study) == ["left"]


def test_the_end_can_be_undone_and_another_person_can_begin(
    browser: Any, stores: tuple[Store, Store], tmp_path: Path
) -> None:
    light, dark = stores
    study = write_study(light.path, dark.path, tmp_path / "s.html", pairs=2, controls=0)
    start(browser, study, "Li")
    browser.key("1")
    wait_for_pair(browser, 2, 2)
    browser.key("1")
    browser.wait("document.querySelector('#end').offsetHeight")
    browser.click("#back")
    wait_for_pair(browser, 2, 2)
    browser.key("2")
    browser.wait("document.querySelector('#end').offsetHeight")
    assert votes_of(browser, study) == ["left", "right"]
    first = json.loads(browser.js("document.querySelector('#votes').value"))["voter"]
    browser.click("#new-voter")  # the confirmation is answered with yes
    browser.wait("document.querySelector('#start').offsetHeight")
    browser.click("#begin")
    wait_for_pair(browser, 1, 2)
    second = json.loads(browser.js(f"localStorage.getItem('hwgen-study-{study.id}')"))
    assert second["votes"] == []
    assert second["voter"]["name"] == ""
    assert second["voter"]["id"] != first["id"]


@pytest.mark.parametrize(("width", "ratio"), [(360, 1), (360, 3), (360, 1.5), (1200, 1)])
def test_images_have_whole_pixels_and_the_page_fits(
    browser: Any, study: Study, width: int, ratio: float
) -> None:
    browser.screen(width, ratio=ratio)
    start(browser, study)
    for step in ("vote", "end"):
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.js(overflow) == 0
        wide = "[...document.querySelectorAll('main *')].filter(e => "
        wide += "e.getBoundingClientRect().right > innerWidth).length"
        assert browser.js(wide) == 0
        if step == "vote":
            boxes = browser.js(
                "[...document.querySelectorAll('.choices img')].map(i => {"
                "const r = i.getBoundingClientRect(); return [r.width, r.height, r.x, r.y]})"
            )
            (w, h, x, y), (w2, h2, x2, y2) = boxes
            assert (w, h, y) == (w2, h2, y2)
            assert w == h
            assert x + w < x2  # side by side, also on a phone
            times = w * ratio / 16
            assert times == pytest.approx(round(times), abs=0.02)
            assert w > 90
            browser.click("#stop")


def test_large_images_are_reduced_to_fit(
    browser: Any, make_store: Callable[..., Store], tmp_path: Path
) -> None:
    a, b = (make_store(f"huge-{i}", size=256, per_class=1, dark=bool(i)) for i in range(2))
    study = write_study(a.path, b.path, tmp_path / "s.html", pairs=2, controls=0)
    browser.screen(360)
    start(browser, study)
    assert 110 < browser.js("document.querySelector('#left-image').width") < 150
    assert browser.js("document.documentElement.scrollWidth") == 360
    assert not browser.js("document.querySelector('#left-image').className")


@pytest.mark.parametrize("dark", [False, True])
def test_images_are_shown_on_their_side(
    browser: Any, study: Study, page_data: Data, dark: bool
) -> None:
    browser.screen(800, dark=dark)
    start(browser, study)
    seen = np.asarray(PilImage.open(io.BytesIO(browser.shot())).convert("RGB")).astype(int)
    ground = (22, 24, 27) if dark else (251, 250, 248)
    assert (abs(seen - ground).max(axis=2) <= 2).sum() > 50_000
    # The right image is on the right, and each of its pixels is a square.
    data, key = page_data(study.page), read_key(study.key)
    x, y, w = browser.js(
        "(() => { const r = document.querySelector('#right-image').getBoundingClientRect();"
        "return [r.x, r.y, r.width] })()"
    )
    times = int(w) // 16
    shown = seen[round(y) : round(y) + int(w), round(x) : round(x) + int(w), 0]
    squares = shown.reshape(16, times, 16, times)
    assert (np.ptp(squares[:, 1:-1, :, 1:-1], axis=(1, 3)) <= 1).all()
    right_is_a = key.pairs[data["pairs"][0]["id"]].left == "b"
    assert (squares.mean() > 125) == right_is_a


def test_a_browser_without_storage_shows_a_warning(browser: Any, study: Study) -> None:
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="Object.defineProperty(window, 'localStorage', {get() { throw new Error() }})",
    )
    browser.open(study.page)
    browser.click("#begin")
    wait_for_pair(browser, 1)
    assert browser.js("document.querySelector('#not-stored').offsetHeight")
    browser.key("1")
    wait_for_pair(browser, 2)
