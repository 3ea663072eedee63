from collections.abc import Callable
from pathlib import Path

import pytest

from hwgen.charset import UNLABELLED
from hwgen.generators.gan.presets import preset
from hwgen.runs import Run
from hwgen.store import Store
from tests.report.conftest import LONE
from tests.report.html_page import page_of


def test_parameters_are_those_of_the_networks(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    from hwgen.generators.adversarial.layers import parameter_count
    from hwgen.generators.gan.networks import build

    g, d = build(preset("glyph-32"), classes=3)
    page = page_of(tmp_path / "report.html", make_run().path)
    expected = f"generator {parameter_count(g):,}, discriminator {parameter_count(d):,}"
    assert expected in page.text


def test_missing_parts_are_named(
    tmp_path: Path, make_run: Callable[..., Run], make_benchmark: Callable[..., Path]
) -> None:
    run = make_run(log=False, scores=False, grids=0)
    arm = {"runs": [{"seed": 0, "top1": 0.9, "top5": 0.99, "seconds": 4000}], "top1": LONE}
    benchmark = make_benchmark(
        synthetic=None,
        arms={"real": {**arm, "top5": LONE}},
        differences={},
        purity=None,
        diversity=None,
        worst=[],
    )
    page = page_of(tmp_path / "report.html", run.path, benchmark)
    for shown in (
        "Purity and variety were not measured",
        "No losses in the log.",
        "No discriminator outputs in the log.",
        "No speeds in the log.",
        "none logged",
        "No grid of samples yet.",
        "This run has no grid of training images.",
        "An arm with one seed has no interval.",
        "nothing to compare",
        "Not measured, because no synthetic store was given.",
        "No class was misread.",
        "none given",
        "1 h 6 min",
    ):
        assert shown in page.text, shown
    assert page.images == []


def test_a_benchmark_without_arms_or_figures_per_class(
    tmp_path: Path, make_benchmark: Callable[..., Path]
) -> None:
    benchmark = make_benchmark(
        arms={},
        diversity={"ratio": 0.5, "per_class": {}},
        writers_shared=["001-f", "007-f"],
        differences={"a - b": LONE, "c - d": {"mean": 0.1, "low": 0.05, "high": 0.15}},
    )
    page = page_of(tmp_path / "report.html", benchmark)
    assert "This benchmark has no arms." in page.text
    assert "Writers in both training and test store 001-f, 007-f" in page.text
    assert "There are no figures per class." in page.text
    assert "one seed: may be chance" in page.text
    assert "+10.00 points +5.00 to +15.00 better" in page.text
    assert "was given" not in page.text  # of sections that nobody asked for


def test_a_benchmark_shows_how_much_the_writers_differ(
    tmp_path: Path, make_benchmark: Callable[..., Path]
) -> None:
    top1 = {"mean": 0.9, "low": 0.7, "high": 1.0}
    arm = {"runs": [], "top1": top1, "top5": top1}
    by_writer = {"top1": top1, "per_writer": {"w1": 0.81, "w2": 0.99, "w3": 0.9}}
    page = page_of(
        tmp_path / "report.html",
        make_benchmark(arms={"real": {**arm, "by_writer": by_writer}, "synthetic": arm}),
    )
    assert "Lowest of the test writers Highest Mean over writers real 81.0 % 99.0 %" in page.text


def test_a_real_store_alone(tmp_path: Path, make_store: Callable[..., Store]) -> None:
    store = make_store("hand", kind="gnt", charset=("一", "丁", "己", "已"))
    page = page_of(tmp_path / "report.html", store.path)
    assert page.headings[0] == "Real store hand"
    assert len(page.images) == 3  # no image of 丁
    assert "0 / 3 / 3" in page.text
    page = page_of(tmp_path / "report.html", store.path, real=False)
    assert page.images == []


def test_a_synthetic_store_without_a_fitting_real_one(
    tmp_path: Path, make_store: Callable[..., Store]
) -> None:
    synthetic = make_store("synth", kind="synthetic")
    other = make_store("other", kind="gnt", labels=("丁",))
    page = page_of(tmp_path / "report.html", synthetic.path, other.path)
    assert "no real store with the same classes was given" in page.text
    assert len(page.images) == 3


def test_an_empty_store(tmp_path: Path, make_store: Callable[..., Store]) -> None:
    store = make_store("empty", kind="gnt", labels=(), charset=("一",))
    page = page_of(tmp_path / "report.html", store.path)
    assert "This store is empty." in page.text


def test_a_sheet_is_bounded(tmp_path: Path, make_store: Callable[..., Store]) -> None:
    labels = tuple(chr(0x4E00 + i) for i in range(25))
    store = make_store("wide", kind="gnt", labels=labels, per_class=30)
    page = page_of(tmp_path / "report.html", store.path)
    assert len(page.images) == 10
    assert "10 of 25 classes and at most 20 images of each" in page.text


def test_a_damaged_grid_is_named(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    run = make_run(grids=2)
    (run.grids / "000032000.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    page = page_of(tmp_path / "report.html", run.path)
    assert "000032000.png (after 32,000 training images) cannot be read" in page.text


def test_a_run_without_labels_does_not_mention_classes(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    run = make_run(scores=False, conditional="false")
    page = page_of(tmp_path / "report.html", run.path)
    assert "Each row is one class" not in page.text
    assert "no recogniser to score" not in page.text
    assert "the same classes" not in page.text
    labelled = page_of(tmp_path / "other.html", make_run("labelled", scores=False).path)
    assert "Each row is one class" in labelled.text
    assert "no recogniser to score" in labelled.text


def test_images_without_labels_stand_beside_real_ones(
    tmp_path: Path, make_store: Callable[..., Store]
) -> None:
    real = make_store("real", kind="images")
    unlabelled = make_store("free", kind="synthetic", labels=UNLABELLED.labels)
    page = page_of(tmp_path / "report.html", unlabelled.path, real.path)
    assert "synthetic: free real: real" in page.text
    assert "no real store with the same classes" not in page.text


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"conditional": "false"}, "none: trained without labels"),
        (
            {"discriminator.label": "concat"},
            "wide into G, 256 wide into every layer of D but the first",
        ),
        ({"discriminator.label": "concat", "generator.label": "concat"}, "wide into every layer"),
        ({"optimizer.kind": "tf-rmsprop"}, "RMSProp (TensorFlow's), rate"),
        ({"ema": "0"}, "Moving average of G none"),
        ({"r1_gamma": "0"}, "R1 penalty none"),
        ({"optimizer.kind": "rmsprop", "optimizer.beta2": "0.9"}, "decay 0.9"),
        ({"optimizer.lr_g": "0.002", "optimizer.lr_d": "0.001"}, "rate G 0.002, D 0.001"),
        ({"loss.kind": "gan"}, "sigmoid cross entropy"),
        ({"translate": "2"}, "up to 2 px"),
        ({"preset": "mine"}, "not a preset of this version"),
    ],
)
def test_recipes_as_text(
    tmp_path: Path, make_run: Callable[..., Run], changes: dict[str, str], shown: str
) -> None:
    page = page_of(tmp_path / "report.html", make_run(grids=0, **changes).path)
    assert shown in page.text


def test_an_untouched_preset_says_so(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    page = page_of(tmp_path / "report.html", make_run(grids=1).path)
    assert "Changed from it nothing" in page.text


def test_a_recipe_of_another_version_is_shown_as_json(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    run = make_run(grids=1)
    file = run.path / "run.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"batch"', '"portion"'), encoding="utf-8")
    page = page_of(tmp_path / "report.html", run.path)
    assert "The recipe cannot be read by this version of hwgen" in page.text
    assert f'"portion": {run.recipe["batch"]}' in page.text
    assert "Losses" in page.text


def test_pen_ink_is_not_called_a_scan(make_store: Callable[..., Store], tmp_path: Path) -> None:
    synthetic, ink = make_store("synth", kind="synthetic"), make_store("pens", kind="ink")
    text = page_of(tmp_path / "r.html", synthetic.path, ink.path).text
    assert "pen ink: pens" in text
    assert "real: pens" not in text


@pytest.mark.parametrize(
    ("made", "heading"),
    [("simulated", "on simulated test images"), ("", "on test images")],
)
def test_simulated_test_samples_are_not_called_real(
    tmp_path: Path, make_benchmark: Callable[..., Path], made: str, heading: str
) -> None:
    store = {"path": "p", "count": 1, "charset_fingerprint": "0", "content_sha256": "1"}
    folder = make_benchmark(test={**store, **({"made": made} if made else {})})
    page = page_of(tmp_path / "report.html", folder)
    assert f"Accuracy {heading}" in page.headings
