import math
from collections.abc import Callable
from pathlib import Path

from hwgen.runs import Run
from tests.report.html_page import Page, page_of


def labels(page: Page) -> list[str]:
    """What the plots say that they show."""
    return [v for tag, name, v in page.attributes if (tag, name) == ("svg", "aria-label")]


def test_a_run_is_shown_with_its_curves_and_recipe(
    tmp_path: Path, make_deformation_run: Callable[..., Run]
) -> None:
    run = make_deformation_run()
    run.log({"images": 0, "began": "one core"})
    for step in range(50, 1001, 50):
        parts = {"loss": 40 - step / 100, "distance": 20.0, "unbent": 40.0, "kl": step / 200}
        run.log({"images": step * 64, "seconds": step / 10, **parts})
    page = page_of(tmp_path / "report.html", run.path)
    assert page.headings == [
        "Training run bend",
        "Curves",
        "Recipe",
        "Provenance",
        "Training run bend",
    ]
    assert labels(page) == ["deformed towards its partner, not deformed", "nats", "loss"]
    for shown in (
        "50.0 % of the distance left after deformation",
        "64,000 training pairs seen",
        "Training pairs seen 64,000 of 128,000",
        "Training time 1 min 40 s",
        "Noise z 24 numbers, normal",
        "Weight of the Kullback-Leibler term 0.3",
        "feed" * 16,
    ):
        assert shown in page.text, shown


def test_missing_fields_of_a_log_are_named(
    tmp_path: Path, make_deformation_run: Callable[..., Run]
) -> None:
    run = make_deformation_run()
    page = page_of(tmp_path / "report.html", run.path)
    for shown in (
        "none logged",
        "not logged",
        *(f"Not in the log: {each}" for each in ("Distance", "Kullback-Leibler term", "Loss")),
    ):
        assert shown in page.text, shown
    run.log({"images": 64, "distance": 1.0, "unbent": 0.0, "kl": math.nan, "loss": "high"})
    page = page_of(tmp_path / "report.html", run.path)
    assert labels(page) == ["deformed towards its partner, not deformed"]
    assert "left after deformation" not in page.text
    run.log({"images": 128, "distance": math.nan, "unbent": 2.0})
    assert "left after deformation" not in page_of(tmp_path / "report.html", run.path).text


def test_a_recipe_of_another_version_is_shown_as_json(
    tmp_path: Path, make_deformation_run: Callable[..., Run]
) -> None:
    run = make_deformation_run(portion=3)
    page = page_of(tmp_path / "report.html", run.path)
    assert "The recipe cannot be read by this version of hwgen" in page.text
    assert '"portion": 3' in page.text


def test_both_kinds_of_runs_share_a_page(
    tmp_path: Path, make_run: Callable[..., Run], make_deformation_run: Callable[..., Run]
) -> None:
    page = page_of(tmp_path / "report.html", make_run().path, make_deformation_run().path)
    assert "Made from 2 training runs" in page.text
    assert {"Training run run", "Training run bend"} <= set(page.headings)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
