import json
from pathlib import Path

import pytest
import torch

from benchmarks.paper import onehot
from benchmarks.paper.onehot import Arm
from hwgen.generators.gan.presets import preset

SMALL = {
    "generator.start": "[6, 7]",
    "generator.stages": '[{"channels": 5, "kernel": 5, "stride": 2},'
    ' {"channels": 1, "kernel": 5, "stride": 2}]',
    "discriminator.hidden": "10",
    "discriminator.stages": '[{"channels": 7, "kernel": 5, "stride": 2},'
    ' {"channels": 8, "kernel": 5, "stride": 2}]',
    "batch": "4",
}


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


def test_arms_are_phi_at_most_classes_and_labels_at_each() -> None:
    found = onehot.arms([5, 20])
    assert found[:3] == [
        Arm("phi", "tiled", 20),
        Arm("one-hot", "tiled", 5),
        Arm("one-hot", "tiled", 20),
    ]
    assert [arm.form for arm in found] == ["tiled"] * 3 + ["apart"] * 3


def test_counts_of_the_paper_nets_are_those_by_hand() -> None:
    phi = onehot.counted(Arm("phi", "apart", 3740), preset("paper-hwdb"))
    assert (phi["parameters_g"], phi["parameters_d"]) == (9_417_857, 21_392_155)
    arm = Arm("one-hot", "tiled", 3740)
    direct = onehot.counted(arm, onehot.recipe_of(arm, {}))
    # Φ's weights and bias are gone, and every layer that has a label is wider by 3,740 - 256.
    of_phi, wider = 3740 * 256 + 256, 3740 - 256
    assert direct["width"] == 3740
    assert direct["parameters_g"] == phi["parameters_g"] - of_phi + wider * 6272
    assert direct["parameters_d"] == phi["parameters_d"] - of_phi + wider * (25 * 320 + 1024 + 1)
    assert direct["tiled_bytes"] == 4 * 64 * (257 + 3740) * 14 * 14
    assert direct["loader_bytes"] == pytest.approx(37.3e9, rel=1e-3)


@pytest.mark.parametrize("label", ["phi", "one-hot"])
def test_both_forms_take_the_same_step(label: str) -> None:
    losses = []
    for form in ("tiled", "apart"):
        arm = Arm(label, form, 12)
        found = onehot.take_steps(arm, onehot.recipe_of(arm, SMALL), 1)
        losses.append(found["losses"])
        assert found["flops"] > 0
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]))


def test_the_label_is_one_hot_in_g_and_d() -> None:
    arm = Arm("one-hot", "tiled", 3)
    g, d = onehot.networks(arm, onehot.recipe_of(arm, SMALL), 3)
    expected = [[0, 0, 1], [1, 0, 0]]
    for network in (g, d):
        assert network.label_map is not None
        assert network.label_map(torch.tensor([2, 0])).tolist() == expected
        assert not list(network.label_map.parameters())


def test_the_command_writes_a_row_per_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(arm: Arm, recipe: object, steps: int) -> dict[str, float]:
        return {"flops": 1e9, "cpu_seconds": steps, "peak_bytes": 2**20 * arm.classes}

    monkeypatch.setattr(onehot, "measured", here)
    onehot.main(["--out", str(tmp_path / "new"), "--classes", "5", "9", "--batch", "2"])
    found = json.loads((tmp_path / "new" / "onehot.json").read_text(encoding="utf-8"))
    assert [row["width"] for row in found["rows"]] == [256, 5, 9] * 2
    assert found["settings"] == {"classes": [5, 9], "batch": 2, "steps": 2}
    assert (tmp_path / "new" / "onehot.png").read_bytes().startswith(b"\x89PNG")
    table = (tmp_path / "new" / "tables.md").read_text(encoding="utf-8")
    assert table.count("\n") == 2 + 6
    assert "| one-hot | 9 |" in capsys.readouterr().out


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    arm = Arm("one-hot", "apart", 4)
    found = onehot.measured(arm, onehot.recipe_of(arm, SMALL), 1)
    assert found["peak_bytes"] > 0
    assert found["cpu_seconds"] > 0
