import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hwgen.errors import InputError, RunError, StoreError
from hwgen.generators.gan.presets import preset
from hwgen.report.page import write_report
from hwgen.runs import Run, begin_or_continue
from hwgen.store import Store
from tests.report.conftest import LONE
from tests.report.html_page import page_of


@pytest.fixture
def everything(
    make_run: Callable[..., Run],
    make_benchmark: Callable[..., Path],
    make_store: Callable[..., Store],
) -> list[Path]:
    run = make_run(batch="8")
    synthetic = make_store("synth", kind="synthetic", value=50)
    real = make_store("hand", kind="gnt", value=150)
    return [run.path, make_benchmark(), synthetic.path, real.path]


def test_every_part_is_there(tmp_path: Path, everything: list[Path]) -> None:
    page = page_of(tmp_path / "report.html", *everything)
    assert page.headings == [
        "Benchmark bench",
        "Accuracy on real test images",
        "Do synthetic images help?",
        "Purity of the synthetic store",
        "Variety of the synthetic store",
        "Worst classes",
        "Settings",
        "Synthetic store synth",
        "Training run run",
        "Samples",
        "Curves",
        "Recipe",
        "Provenance",
        "Training run run",
        "Synthetic store synth",
        "Real store hand",
        "Benchmark bench",
    ]
    for shown in (
        "Made from 1 training run, 1 synthetic store, 1 real store, 1 benchmark",
        f"batch: {preset('glyph-32').batch} -> 8",
        "least squares (LSGAN), a = 0, b = 1, c = 1, mean over the batch",
        "after 32,000 training images",
        "after 256,000 training images",
        "6 of 8 grids",
        "97.1 % 96.1 to 98.1",
        "no difference shown",
        "worse",
        "1,234,567 parameters, 7,654,321 FLOPs per image",
        "已 12×, 一 2×",
        "feed" * 16,
        "test-hash",
        "must not be redistributed",
    ):
        assert shown in page.text, shown
    # 1 last grid, 1 real one, 6 over time; 3 classes, synthetic beside real.
    assert len(page.images) == 8 + 6
    svgs = [v for tag, name, v in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(svgs) == 4 + 1 + 2


def test_a_page_begins_with_the_verdicts(
    tmp_path: Path, make_benchmark: Callable[..., Path]
) -> None:
    folder = make_benchmark()
    value = json.loads((folder / "benchmark.json").read_text("utf-8"))
    page = page_of(tmp_path / "report.html", folder)
    assert page.text.startswith(
        "hwgen report: bench hwgen report: bench Synthetic samples show no gain: added to the real "
        "ones they change top-1 accuracy by +0.20 points (-0.10 to +0.50); alone, instead of the "
        "real ones, by -12.00 points (-13.00 to -11.00) (real test samples, 3 seeds). "
        "+0.2 points (−0.1 to +0.5) top-1, real+synthetic - real "
        "−12.0 points (−13.0 to −11.0) top-1, synthetic - real "
        "97.1 % (96.1 to 98.1) top-1, trained on real "
    )
    assert "simulated" not in page.text
    value["test"]["made"] = value["train"]["made"] = "simulated"
    value["synthetic"]["made"] = "synthetic"
    (folder / "benchmark.json").write_text(json.dumps(value), encoding="utf-8")
    page = page_of(tmp_path / "report.html", folder)
    assert "added to the simulated ones they change" in page.text
    assert "(simulated test samples, 3 seeds). Test samples are simulated handw" in page.text
    assert "97.1 % (96.1 to 98.1) top-1, trained on simulated" in page.text
    shown = page.text.split("All settings as JSON")[0]
    assert not re.findall(r".{9}\breal\b.{9}", shown.replace("real handwriting", ""))


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path, everything: list[Path]) -> None:
    page = page_of(tmp_path / "report.html", *everything)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name == "src":
            assert value.startswith("data:image/png;base64,")
        if name in ("href", "xlink:href"):
            assert value.startswith("#")
        for target in re.findall(r"url\(([^)]*)\)", value):
            assert target.startswith("#")
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    style = source[source.index("<style>") : source.index("</style>")]
    assert all(
        url.startswith("data:font/ttf;base64,") for url in re.findall(r"url\((.*?)\)", style)
    )
    assert "@import" not in style
    assert not re.search(r"<(script|link|iframe|object|embed|base)\b", source)
    policy = next(v for t, n, v in page.attributes if (t, n) == ("meta", "content"))
    assert policy == "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"


def test_ids_are_unique_and_links_have_targets(tmp_path: Path, everything: list[Path]) -> None:
    page = page_of(tmp_path / "report.html", *everything)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [v for _, name, v in page.attributes if name in ("href", "xlink:href")]
    links += [u for _, _, v in page.attributes for u in re.findall(r"url\((#[^)]*)\)", v)]
    assert links
    assert {link[1:] for link in links} <= set(ids)


def test_untrusted_text_is_escaped(
    tmp_path: Path,
    make_run: Callable[..., Run],
    make_benchmark: Callable[..., Path],
    make_store: Callable[..., Store],
) -> None:
    evil = '"><script>alert(1)</script>&'
    run = make_run("<b>run<", preset=evil)
    synthetic = make_store("s<img src=x>", kind="synthetic", labels=(evil, "一"))
    real = make_store("r", kind=evil, labels=(evil, "一"))
    arms = {evil + "$x_1$己": {"runs": [], "top1": LONE, "top5": LONE}}
    benchmark = make_benchmark(
        "b<i>",
        settings={"device": evil, "note": evil},
        versions={evil: evil},
        arms=arms,
        differences={evil: LONE},
        worst=[{"label": evil, "accuracy": 0.5, "count": 2, "read_as": {evil: 1}}],
        purity={"runs": [], "top1": LONE, "per_class": {evil: 0.5}},
    )
    page = page_of(tmp_path / "report.html", run.path, synthetic.path, real.path, benchmark)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in source
    assert "<i>" not in source
    assert "<b>" not in source
    assert "<img src=x>" not in source
    assert page.text.count(evil) >= 10
    assert "Training run <b>run<" in page.headings


def test_real_images_can_be_left_out(tmp_path: Path, everything: list[Path]) -> None:
    whole = page_of(tmp_path / "with.html", *everything)
    page = page_of(tmp_path / "without.html", *everything, real=False)
    # 1 last grid, 6 over time, 3 synthetic strips: none of the four real ones.
    assert len(page.images) == 1 + 6 + 3
    assert set(page.images) < set(whole.images)
    assert "Real images are left out (--no-real)." in page.text
    assert "The grid of training images is left out" in page.text
    assert "must not be redistributed" not in page.text


def test_the_same_input_twice_counts_once(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    path = make_run(grids=0).path
    page = page_of(tmp_path / "report.html", path, path / ".." / path.name)
    assert page.headings.count("Training run run") == 2  # its section and its provenance


def test_long_titles_are_cut(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    paths = [make_run(f"run{i}", grids=0, scores=False, log=False).path for i in range(4)]
    page = page_of(tmp_path / "report.html", *paths)
    assert "hwgen report: run0, run1, run2, …" in page.text
    assert "Made from 4 training runs" in page.text


def test_inputs_that_cannot_be_reported(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    out = tmp_path / "report.html"
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="nothing to report"):
        write_report([], out)
    with pytest.raises(
        InputError, match="not a run, a benchmark, a lift, an evaluation or a store"
    ):
        write_report([tmp_path / "folder"], out)
    with pytest.raises(InputError, match=r"nowhere: not a run.* there is no such file or folder"):
        write_report([tmp_path / "nowhere"], out)
    run = make_run()
    begin_or_continue(
        tmp_path / "reader", kind="recogniser", recipe={}, seed=0, charset=run.charset, data={}
    )
    with pytest.raises(RunError, match="kind 'recogniser'"):
        write_report([tmp_path / "reader"], out)
    (run.path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError):
        write_report([run.path], out)
    (tmp_path / "half.partial").mkdir()
    with pytest.raises(StoreError, match="unfinished"):
        write_report([tmp_path / "half"], out)
    assert not out.exists()


def test_a_page_that_cannot_be_written(tmp_path: Path, make_run: Callable[..., Run]) -> None:
    run = make_run(grids=0)
    for name in ("report.pdf", "report"):
        with pytest.raises(InputError, match=r"must end in \.html or \.htm.*Give another --out"):
            write_report([run.path], tmp_path / name)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        write_report([run.path], tmp_path / "folder.html")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_report([run.path], tmp_path / "file" / "report.html")


def test_folders_are_made_and_an_old_page_is_replaced(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    out = tmp_path / "new" / "report.html"
    path = make_run(grids=0).path
    page_of(out, path)
    before = out.read_bytes()
    assert page_of(out, path).headings
    assert out.read_bytes() == before
    out.write_text("<title>hwgen report: of an older version</title>", encoding="utf-8")
    assert page_of(out, path).headings
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="hwgen did not write it"):
        write_report([path], out)
    assert out.read_text("utf-8") == "mine"
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]
