"""Results of somebody else, or damaged ones: refused by name, or shown as a page that is whole."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.errors import InputError, RunError
from hwgen.exports.models.model_card import card
from hwgen.exports.models.model_results import ModelResults
from hwgen.io.json_files import MAX_JSON_BYTES
from hwgen.report import images
from hwgen.report.images import read_image
from hwgen.report.markup import MOST_JSON, as_json, tag
from hwgen.report.page import write_report
from hwgen.results.evaluation import Evaluation
from hwgen.runs import Run
from hwgen.runs.models import Model
from tests.robustness.fuzz.made import check_page, made_benchmark, made_evaluation, made_lift

MADE = {
    "benchmark.json": made_benchmark(),
    "evaluation.json": made_evaluation(),
    "lift.json": made_lift(),
}
HOSTILE = "</td></table><script>alert(1)</script>\0\x1b[31m" + "字" * 3000


def forged(file: Path, *place: str | int, value: Any) -> Path:
    """A sound file of this name with another value at a place."""
    made: Any = copy.deepcopy(MADE[file.name])
    inner = made
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    file.write_text(json.dumps(made), encoding="utf-8")
    return file


WRONG = [
    ("benchmark.json", ("arms", "real", "top1", "mean"), "0.9", "real.top1.mean should be float"),
    ("benchmark.json", ("arms", "real", "top1", "low"), math.nan, "low should be a finite number"),
    (
        "benchmark.json",
        ("arms", "real", "by_writer"),
        {"top1": {"mean": 0.9, "low": None, "high": None}, "per_writer": {}},
        "accuracy by writer without writers",
    ),
    ("benchmark.json", ("network", "flops"), 10**30, "an integer of 31 digits"),
    ("benchmark.json", ("network", "flops"), True, "network.flops should be int, found True"),
    ("benchmark.json", ("diversity", "ratio"), math.inf, "ratio should be a finite number"),
    ("benchmark.json", ("worst",), [0] * 9, r"worst\[0\] should be an object, found 0"),
    ("benchmark.json", ("settings",), None, "settings should be an object"),
    ("benchmark.json", ("format",), [], r"format \[\] version 1"),
    ("benchmark.json", ("settings", "x"), json.loads("[" * 200 + "]" * 200), "nested too deeply"),
    ("evaluation.json", ("figures", "purity", "value"), "1", "purity.value should be float"),
    ("evaluation.json", ("figures",), [], "figures should be an object"),
    ("evaluation.json", ("per_class",), {}, r"per_class lacks the fields \['purity'\]"),
    ("evaluation.json", ("notes",), "text", "notes should be a list"),
    ("evaluation.json", ("synthetic",), None, "synthetic should be an object"),
    ("lift.json", ("accuracy", 0, "count"), -2, "-2 real samples per class"),
    ("lift.json", ("accuracy", 0, "arm"), "other", "an arm 'other' that the experiment"),
    ("lift.json", ("accuracy",), [], "no accuracy"),
    ("lift.json", ("accuracy", 0, "mean"), None, r"accuracy\[0\].mean should be float"),
    ("lift.json", ("generator",), 5, "generator should be an object"),
    ("lift.json", ("test", "writers_shared"), "1", "writers_shared should be int"),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), WRONG)
def test_a_wrong_value_is_named_with_its_place(
    tmp_path: Path, name: str, place: tuple[str | int, ...], value: Any, message: str
) -> None:
    file = forged(tmp_path / name, *place, value=value)
    with pytest.raises(InputError, match=f"this version of hwgen can read .*{message}") as refused:
        write_report([file], tmp_path / "page.html")
    assert refused.value.where == str(file)
    assert refused.value.remedy.startswith("Run hwgen ")
    assert not (tmp_path / "page.html").exists()


def many(name: str, count: int) -> dict[str, Any]:
    """More of what is drawn than a page can show."""
    if name == "lift.json":
        entry = MADE[name]["accuracy"][0]
        return {"accuracy": [{**entry, "count": n} for n in range(count)]}
    arm = MADE[name]["arms"]["real"]
    return {"arms": {f"arm {n}": arm for n in range(count)}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("benchmark.json", "expected at most 50 arms of 1,000 trials, found 10,000 arms"),
        ("lift.json", "10,000 counts and 1 series"),
    ],
)
def test_more_than_a_page_can_show_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text(json.dumps({**MADE[name], **many(name, 10_000)}))
    with pytest.raises(InputError, match=message):
        write_report([tmp_path / name], tmp_path / "page.html")
    (tmp_path / name).write_text(json.dumps({**MADE[name], **many(name, 20)}))
    check_page(write_report([tmp_path / name], tmp_path / "page.html"))


def every_text_hostile(value: Any) -> Any:
    """All texts but those that say what the file is; keys too, where they are names."""
    if isinstance(value, dict):
        return {
            key: inner
            if key in ("format", "arms") and not isinstance(inner, dict)
            else every_text_hostile(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [every_text_hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("name", MADE)
def test_hostile_texts_do_not_break_a_page(tmp_path: Path, name: str) -> None:
    made = every_text_hostile(MADE[name])
    if name == "benchmark.json":
        made["arms"] = {HOSTILE: made["arms"]["real"]}
        made["purity"]["per_class"] = {HOSTILE: 0.5}
    if name == "lift.json":
        made["protocol"]["arms"] = [HOSTILE]
    (tmp_path / name).write_text(json.dumps(made))
    page = write_report([tmp_path / name], tmp_path / "page.html")
    check_page(page)
    assert "&lt;script&gt;" in page.read_text("utf-8")
    assert "\x1b" not in page.read_text("utf-8")


@pytest.mark.parametrize("value", [1e300, -1e300, 10**18, math.nan, math.inf, -5, "x", None, [1]])
def test_a_log_of_any_numbers_is_shown(
    make_run: Callable[..., Run], tmp_path: Path, value: Any
) -> None:
    run = make_run(grids=0, scores=False)
    fields = ("seconds", "images_per_second", "loss_d", "loss_g", "d_real", "purity", "diversity")
    run.log({"images": 64_000, **dict.fromkeys(fields, value)})
    run.log({"images": -3, **dict.fromkeys(fields, value)})
    with open(run.path / "log.jsonl", "a", encoding="utf-8") as file:
        file.write('{"images": 9223372036854775807, "loss_d": 1e308}\n{"images": 1e5}\n[]\n')
    check_page(write_report([run.path], tmp_path / "page.html"))
    model = Model(run.path, "gan", run.recipe, run.charset, run.id, "0", 64_000, {}, "0.1.0")
    assert "## Training" in card(
        model, run.read_log(), "m", onnx="", results=ModelResults((), (), ())
    )


def test_grids_of_any_name_and_kind_are_shown(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run(grids=2)
    (run.grids / "²³.png").write_bytes(b"no number")
    (run.grids / "000099999.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    text = write_report([run.path], tmp_path / "page.html").read_text("utf-8")
    assert "000099999.png (after 99,999 training images) cannot be read" in text


def test_only_png_images_of_limited_size_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = PilImage.new("L", (30, 40))
    image.save(tmp_path / "a.gif")
    assert read_image(tmp_path / "a.gif") is None
    image.save(tmp_path / "a.png")
    monkeypatch.setattr(images, "_MOST_PIXELS", 1200)
    assert read_image(tmp_path / "a.png") is not None
    monkeypatch.setattr(images, "_MOST_PIXELS", 1199)
    assert read_image(tmp_path / "a.png") is None


def test_json_on_a_page_is_limited() -> None:
    assert "… of" not in as_json("t", {"a": 1})
    assert len(as_json("t", ["x" * 10 * MOST_JSON])) < 1.1 * MOST_JSON


def test_controls_are_replaced() -> None:
    shown = "a\N{REPLACEMENT CHARACTER}\n\tb"
    assert tag("p", "a\0\n\tb", title="a\x9b\n\tb") == f'<p title="{shown}">{shown}</p>'


def test_a_log_that_is_too_large_is_refused(make_run: Callable[..., Run]) -> None:
    run = make_run(log=False, scores=False)
    with open(run.path / "log.jsonl", "wb") as file:
        file.truncate(MAX_JSON_BYTES + 1)
    with pytest.raises(RunError, match="bytes are more than the 268,435,456 that are read"):
        run.read_log()


def test_a_card_keeps_foreign_texts_in_their_cells(tmp_path: Path) -> None:
    hostile = "one | two\n\n# three <script>"
    file = forged(tmp_path / "evaluation.json", "figures", "purity", "title", value=hostile)
    made = json.loads(file.read_text())
    made["notes"] = [hostile]
    file.write_text(json.dumps(made))
    model = Model(tmp_path, "gan", {"images": 4}, Charset(("一",)), "r", "c", 4, {}, "0.1.0")
    text = card(model, [], "m", onnx="", results=ModelResults((), (Evaluation.load(file),), ()))
    assert "| one \\| two # three &lt;script&gt; | 0.900 |" in text
    assert "\n- one \\| two # three &lt;script&gt;\n" in text
