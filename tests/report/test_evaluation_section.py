import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.report.page import write_report
from hwgen.results.evaluation import Evaluation

MakeEvaluation = Callable[..., Path]


def store(name: str) -> dict[str, Any]:
    return {"path": name, "count": 1234, "content_sha256": f"{name}-hash"}


def figure(title: str, value: float, floor: float | None, unit: str) -> dict[str, Any]:
    given = {"title": title, "unit": unit, "better": "higher", "meaning": f"What {title} means."}
    return {"value": value, "floor": floor, **given}


def value() -> dict[str, Any]:
    return {
        "format": "hwgen-evaluation",
        "format_version": 1,
        "settings": {"samples": 100, "seed": 0},
        "versions": {"hwgen": "0.1.0"},
        "synthetic": store("drawn"),
        "real": store("hand"),
        "real_test": None,
        "notes": ["The floor: <b>one half</b> of --real."],
        "figures": {
            "purity": figure("purity", 0.9412, 0.9711, "share"),
            "frechet": figure("Fréchet distance", 3.37421, 2.063, "distance"),
            "exact_copies": figure("exact copies", 12, None, "count"),
        },
        "per_class": {"purity": {"一": 0.99, "己": 0.61, "已": 0.91}},
    }


@pytest.fixture
def make_evaluation(tmp_path: Path) -> MakeEvaluation:
    def make(*, sheets: bool = True, **changes: Any) -> Path:
        folder = tmp_path / "judged"
        folder.mkdir()
        written = json.dumps({**value(), **changes}, ensure_ascii=False)
        (folder / "evaluation.json").write_text(written, encoding="utf-8")
        for name in ("nearest-pixels", "nearest-features", "best-read", "worst-read"):
            if sheets:
                image = PilImage.fromarray(np.full((20, 30), 90, np.uint8))
                image.save(folder / f"{name}.png")
        return folder

    return make


def page(tmp_path: Path, *paths: Path, real: bool = True) -> str:
    out = write_report(paths, tmp_path / "page.html", real=real)
    return " ".join(out.read_text(encoding="utf-8").split())


def test_figures_notes_classes_and_images_are_there(
    tmp_path: Path, make_evaluation: MakeEvaluation
) -> None:
    shown = page(tmp_path, make_evaluation())
    for text in (
        "Made from 1 evaluation",
        "Evaluation <em>judged</em>",
        "drawn: 1,234 images",
        '<td class="number">94.1 %</td><td class="number">97.1 %</td>',
        '<td class="number">3.374</td><td class="number">2.063</td>',
        '<td class="number">12</td><td class="number"></td>',
        "What purity means.",
        "The floor: &lt;b&gt;one half&lt;/b&gt; of --real.",
        "hand-hash",
        "must not be redistributed",
    ):
        assert text in shown, text
    assert shown.index("己") < shown.index("已")
    assert shown.count("data:image/png") == 4
    assert "<strong>94.1 %</strong>" in shown


def test_classes_measured_in_part_are_shown_with_what_is_known(
    tmp_path: Path, make_evaluation: MakeEvaluation
) -> None:
    per_class = {**value()["per_class"], "diversity_features": {"永": 0.75}}
    left_out = {"unread": {"永": 7, "口": 8}, "without_real": {"口": 8, "己": 9}}
    folder = make_evaluation(per_class=per_class, left_out=left_out)
    page = write_report([folder], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Classes measured in part: 3" in page
    table = re.sub(r"<[^>]+>", " ", page[page.index("Classes measured in part") :])
    rows = [" ".join(row.split()) for row in re.split("(?=永|口|己)", table)[1:4]]
    assert rows[0].startswith("永 7 not read 75")
    assert rows[1].startswith("口 8 not read no real samples")
    assert rows[2].startswith("己 9 61")
    assert "no real samples" in rows[2]
    assert "Classes measured in part" not in write_report(
        [make_again(tmp_path)], tmp_path / "other.html"
    ).read_text(encoding="utf-8")


def make_again(tmp_path: Path) -> Path:
    """An evaluation that does not say what was left out, as of earlier versions."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "evaluation.json").write_text(json.dumps(value()), encoding="utf-8")
    return folder


def test_real_images_are_left_out_if_asked(tmp_path: Path, make_evaluation: MakeEvaluation) -> None:
    shown = page(tmp_path, make_evaluation(), real=False)
    assert shown.count("data:image/png") == 2
    assert "nearest-pixels.png holds real images, which are left out" in shown


def test_missing_images_and_classes_are_named(
    tmp_path: Path, make_evaluation: MakeEvaluation
) -> None:
    folder = make_evaluation(
        sheets=False, per_class={"purity": {}}, figures={}, real_test=store("other")
    )
    shown = page(tmp_path, folder / "evaluation.json")
    assert "data:image/png" not in shown
    assert "There is no best-read.png beside the evaluation." in shown
    assert "There are no figures per class." in shown
    assert "other: 1,234 images" in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "hwgen-benchmark"},
        {"format_version": 2},
        {"synthetic": {"path": "here"}},
        {"figures": {"purity": {"value": 1}}},
        {"figures": {"purity": figure("purity", "much", None, "share")}},  # type: ignore[arg-type]
        {"notes": None},
        {"per_class": []},
    ],
)
def test_a_foreign_evaluation_is_refused(
    make_evaluation: MakeEvaluation, changes: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="is not an evaluation this version of hwgen can read"):
        Evaluation.load(make_evaluation(**changes) / "evaluation.json")
