from pathlib import Path

import pytest

from hwgen.errors import RunError
from hwgen.generators.gan.sampling import Sampler
from hwgen.runs import Run
from hwgen.runs.snapshots import best_scores, find_snapshot, task_score


def test_snapshots_are_found_by_name(run: Run, tmp_path: Path) -> None:
    assert find_snapshot(run, "last") == run.weights(200)
    assert find_snapshot(run, "100") == run.weights(100)
    for unknown in ("300", "first", "①", "-1"):
        with pytest.raises(RunError, match=f"no snapshot '{unknown}'.*one of 100, 200"):
            find_snapshot(run, unknown)
    with pytest.raises(RunError, match=r"no snapshot was scored.*--recogniser"):
        find_snapshot(run, "best")
    first, last = (Sampler.load(run, name, "cpu") for name in ("100", "last"))
    assert first.provenance != last.provenance
    assert (first.sample([0, 1], [0, 0]) != last.sample([0, 1], [0, 0])).any()


def test_the_score_is_what_its_docstring_says() -> None:
    assert task_score({"purity": 0.6, "diversity": 0.5, "frechet_share": 0.5}) == pytest.approx(0.2)
    assert task_score({"purity": 0.6, "diversity": 1.7}) == 0.6


@pytest.mark.parametrize(
    ("lines", "scores", "best"),
    [
        # More variety than the real one counts no more; a snapshot that is gone, not at all.
        (
            [(100, 0.5, 3.0, "a"), (200, 0.6, 0.8, "a"), (300, 1.0, 1.0, "a")],
            {100: 0.5, 200: 0.48},
            100,
        ),
        # What another recogniser said is not compared.
        ([(100, 0.9, 1.0, "a"), (200, 0.5, 1.0, "b")], {200: 0.5}, 200),
        # Neither is what was logged before recognisers were named.
        ([(100, 0.9, 1.0, None), (200, 0.5, 1.0, "b")], {200: 0.5}, 200),
    ],
)
def test_the_best_snapshot_has_the_best_score_of_one_reader(
    run: Run,
    lines: list[tuple[int, float, float, str | None]],
    scores: dict[int, float],
    best: int,
) -> None:
    log = run.path / "log.jsonl"
    before = log.read_text("utf-8")
    for images, purity, diversity, reader in lines:
        line = {"images": images, "purity": purity, "diversity": diversity}
        run.log(line if reader is None else {**line, "recogniser": reader})
    try:
        assert best_scores(run) == pytest.approx(scores)
        assert find_snapshot(run, "best") == run.weights(best)
    finally:
        log.write_text(before, "utf-8")


def test_runs_without_snapshots_and_damaged_ones_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes((run.path / "run.json").read_bytes())
    with pytest.raises(RunError, match="has no snapshot yet"):
        Sampler.load(tmp_path, device="cpu")
    (tmp_path / "weights").mkdir()
    Run(tmp_path).weights(5).write_bytes(b"")
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        Sampler.load(tmp_path, device="cpu")
    with pytest.raises(RunError, match="no run here"):
        Sampler.load(tmp_path / "none", device="cpu")
