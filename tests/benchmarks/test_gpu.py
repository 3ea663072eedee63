import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.prepare import SEEN, prepare
from benchmarks.gpu.refiner import RefinerGenerator, RefinerSettings, refine, to_float
from benchmarks.gpu.unseen import mixed_batches
from hwgen.charset import gb2312_level1
from hwgen.sources.pot import encode_trajectory

CLASSES, HANDS = 6, 2


@pytest.fixture(scope="module")
def gpu_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of `prepare` for four writers of six characters with random strokes."""
    data, work = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("work")
    (data / "pot").mkdir()
    characters = gb2312_level1().labels[:CLASSES]
    rng = np.random.default_rng(0)
    for writer in (1001, 1002, 1003, 1051):
        records = [
            encode_trajectory(c, [[tuple(p) for p in rng.integers(0, 300, (6, 2)).tolist()]])
            for c in characters
        ]
        (data / "pot" / f"{writer}-c.pot").write_bytes(b"".join(records))
    lines = [
        json.dumps({"character": c, "medians": rng.integers(0, 900, (2, 4, 2)).tolist()})
        for c in characters
    ]
    (data / "graphics.txt").write_text("\n".join(lines), encoding="utf-8")
    inputs = prepare(data, work, classes=CLASSES, hands=HANDS, tiny=True)
    assert inputs.simulated().shape == (CLASSES, HANDS, 64, 64)
    assert inputs.seen == 4 < SEEN
    return work


def test_the_refiner_starts_near_the_identity() -> None:
    torch.manual_seed(0)
    g = RefinerGenerator(RefinerSettings(width=0.25)).eval()
    simulated = torch.full((2, 1, 64, 64), 255, dtype=torch.uint8)
    simulated[:, :, 20:40, 30:33] = 0
    made = refine(g, simulated, 2, seed=0)
    assert made.shape == (2, 2, 64, 64)
    difference = (made[:, :1].float() - simulated.float()).abs()
    # tanh(1.5) keeps paper and ink apart by 0.905 of the whole range.
    assert difference.mean() < 20
    assert to_float(simulated[:, 0]).max() == 1


def test_seen_classes_mix_real_and_made_images_and_unseen_ones_are_made() -> None:
    torch.manual_seed(0)
    images = torch.tensor([10, 11, 20], dtype=torch.uint8)[:, None, None].expand(3, 2, 2)
    labels = torch.tensor([0, 0, 1])
    made = torch.full((3, 2, 2, 2), 200, dtype=torch.uint8)
    x, y = mixed_batches(images, labels, made, seen=2)(600)
    values = x[:, 0, 0]
    assert set(values[y == 0].tolist()) == {10, 11, 200}
    assert set(values[y == 1].tolist()) == {20, 200}
    assert set(values[y == 2].tolist()) == {200}
    assert 0.4 < (values[y < 2] == 200).float().mean() < 0.6


@pytest.mark.parametrize("entry", ["refined", "paper-hwdb"])
def test_an_entry_runs_at_a_tiny_size_on_a_cpu(
    entry: str,
    tmp_path: Path,
    gpu_inputs: Path,
    one_thread: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = ["--work", str(gpu_inputs), "--out", str(tmp_path)]
    command = [entry, *paths, "--tiny", "--classes", str(CLASSES), "--hands", str(HANDS)]
    command += ["--recogniser-steps", "4", "--refiner-steps", "4", "--commit", "abc"]
    main(command)
    result = json.loads((tmp_path / f"{entry}.json").read_text())
    assert (result["entry"], result["commit"]) == (entry, "abc")
    assert result["command"].startswith(f"python -m benchmarks.gpu {entry} --work ")
    capsys.readouterr()
    main(command)
    assert capsys.readouterr().out.startswith(f"{entry}: skipped, ")
