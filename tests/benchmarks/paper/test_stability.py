import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.paper import stability
from benchmarks.paper.stability_measures import Real, measures, real_of, saturated, verdict
from benchmarks.paper.stability_settings import MAIN, SETTINGS, narrowed, recipe_of
from benchmarks.paper.stability_tables import differences, summary, tables
from benchmarks.paper.stability_training import NotFiniteError, snapshots, widen
from hwgen.charset import Charset
from hwgen.generators.adversarial.steps import make_state
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
SMALL = ["--size", "32", "--narrow", "32", "--images", "128", "--snapshots", "2", "--seeds", "1"]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """60 smooth colour images of 32x32."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("scenes") / "store"
    with StoreWriter(path, size=32, channels=3, recipe={}) as writer:
        for n in range(60):
            coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            image = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
            writer.add(Record(image, "*", "", "toy", n))
        return writer.finish(charset=Charset(("*",)), origin={"kind": "images"})


def tiny(name: str, **changes: str) -> Recipe:
    recipe = recipe_of(SETTINGS[name], size=32, narrow=32, images=4 * 64, snapshots=2)
    return change(recipe, {"batch": "4", "images": "16", "every": "8", **changes})


def batch_norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d) for part in network.modules())


def test_arms_have_the_papers_batch_norms() -> None:
    expected = {"bn": (4, 3), "bn-g": (0, 3), "bn-gd": (0, 0)}
    for name, setting in SETTINGS.items():
        recipe = recipe_of(setting, size=64, narrow=8, images=6_400, snapshots=10)
        networks = build(recipe, 0)
        assert tuple(map(batch_norms, networks)) == expected[setting.left_out], name
        assert (recipe.optimizer.lr_g, recipe.optimizer.lr_d) == (2e-4, 2e-4)
        assert recipe.loss.reduction == ("mean" if recipe.loss.kind == "gan" else "sum")
        assert (recipe.steps, recipe.steps_between_snapshots) == (100, 10)
    arms = {(s.left_out, s.optimizer, s.loss) for s in MAIN.values()}
    assert len(arms) == 2 * 2 * 2 + 1
    assert ("bn-gd", "tf-rmsprop", "lsgan-eq8") in arms


def test_decays_are_the_defaults_of_each_library() -> None:
    # tf.train.RMSPropOptimizer: 0.9; torch.optim.RMSprop: 0.99; Adam: 0.999.
    kinds = {
        recipe.optimizer.kind: recipe.optimizer.beta2
        for recipe in (
            recipe_of(s, size=32, narrow=1, images=6_400, snapshots=1) for s in SETTINGS.values()
        )
    }
    assert kinds == {"adam": 0.999, "tf-rmsprop": 0.9, "rmsprop": 0.99}


def test_full_networks_are_the_presets_and_narrow_ones_divide_their_widths() -> None:
    full = recipe_of(SETTINGS["bn-adam-gan"], size=64, narrow=1, images=64_000, snapshots=1)
    assert (full.generator, full.discriminator) == (
        preset("dcgan-64").generator,
        preset("dcgan-64").discriminator,
    )
    thin = narrowed(full, 16)
    assert thin.generator.start == (32, 4)
    assert [stage.channels for stage in thin.generator.stages] == [16, 8, 4, 3]
    assert [stage.channels for stage in thin.discriminator.stages] == [4, 8, 16, 32]


def test_images_are_a_multiple_of_batches_and_snapshots() -> None:
    recipe = recipe_of(SETTINGS["bn-g-adam-gan"], size=32, narrow=8, images=1_000, snapshots=3)
    assert (recipe.images, recipe.every) == (960, 320)


@pytest.mark.parametrize("kind", ["adam", "tf-rmsprop", "rmsprop"])
def test_narrow_networks_start_and_learn_like_wide_ones(kind: str) -> None:
    recipe = change(preset("cifar10"), {"generator.norm": "none", "discriminator.norm": "none"})
    recipe = change(recipe, {"optimizer.kind": kind})
    wide = make_state(build, recipe, 0, 0, CPU)
    thin = make_state(build, narrowed(recipe, 8), 0, 0, CPU)
    before = [parameter.clone() for parameter in thin.g.start.parameters()]
    widen(thin, 8)
    for old, new in zip(before, thin.g.start.parameters(), strict=True):
        assert torch.equal(old, new)
    z, x = torch.rand(16, 1024) * 2 - 1, torch.rand(16, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        for network, seen in (("g", z), ("d", x)):
            sizes = [
                getattr(state, network)(seen).square().mean().sqrt().item()
                for state in (wide, thin)
            ]
            # Without `widen` the root mean square of G is a tenth of the wide one's.
            assert 0.4 < sizes[1] / sizes[0] < 2.5, network
    for network, optimizer in ((thin.g, thin.optimizer_g), (thin.d, thin.optimizer_d)):
        plain, inner = optimizer.param_groups
        assert (plain["lr"], inner["lr"]) == (2e-4, 8 * 2e-4)
        together = [id(p) for group in (plain, inner) for p in group["params"]]
        assert sorted(together) == sorted(id(p) for p in network.parameters())
        assert all(p.ndim > 1 for p in inner["params"])


def test_snapshots_depend_on_the_seed_alone(store: Store) -> None:
    def run(seed: int) -> tuple[list[Any], list[int]]:
        steps: list[int] = []
        found = snapshots(
            tiny("bn-gd-rmsprop-lsgan"),
            store,
            seed=seed,
            narrow=32,
            samples=5,
            device=CPU,
            progress=steps.append,
        )
        return list(found), steps

    (first, steps), (again, _), (other, _) = run(0), run(0), run(1)
    assert [step for step, _, _ in first] == [2, 4]
    assert steps == [1, 2, 3, 4]
    assert first[0][1].shape == (5, 32, 32, 3)
    assert set(first[0][2]) == {"d_real", "d_fake"}
    assert np.array_equal(first[1][1], again[1][1])
    assert not np.array_equal(first[1][1], first[0][1])
    assert not np.array_equal(first[1][1], other[1][1])


def test_a_loss_that_is_not_finite_is_named_with_its_step(store: Store) -> None:
    recipe = tiny("bn-gd-adam-lsgan", **{"optimizer.lr_d": "1e15"})
    with pytest.raises(NotFiniteError, match=r"loss_\w is (nan|inf) at step 2"):
        list(
            snapshots(
                recipe,
                store,
                seed=0,
                narrow=32,
                samples=2,
                device=CPU,
                progress=lambda step: None,
            )
        )


def test_measures_distinguish_real_images_from_a_single_one(store: Store) -> None:
    real = real_of(store, 32)
    assert len(real.features) == 30
    assert real.own_distance > 0
    images = store.all_images()
    assert real.saturated == saturated(images) == ((images == 0) | (images == 255)).mean()
    # The features are means of 4x4 pixels, which are constant in these images.
    rounded = real.features.reshape(30, 3, 8, 8).transpose(0, 2, 3, 1).astype(np.uint8)
    same = np.repeat(np.repeat(rounded, 4, axis=1), 4, axis=2)
    found = measures(same, real)
    assert found["variety"] == pytest.approx(1)
    assert found["distance"] == pytest.approx(0, abs=1e-9)
    mean = np.repeat(same.mean(axis=0, keepdims=True).round().astype(np.uint8), 30, axis=0)
    found = measures(mean, real)
    assert found["variety"] == 0
    assert found["distance"] == pytest.approx(1, abs=1e-3)
    black = measures(np.zeros_like(mean), real)
    assert black["distance"] > 2
    assert black["saturated"] == 1


def shot(variety: float, distance: float = 0.5) -> dict[str, float]:
    return {"variety": variety, "distance": distance}


@pytest.mark.parametrize(
    ("found", "diverged", "reason"),
    [
        ([shot(0.2), shot(0.9)], "", ""),
        ([shot(0.02), shot(0.16)], "", ""),
        ([shot(0.1), shot(0.14)], "", "alike: 14% of the real variety, at best 14%"),
        ([shot(0.9), shot(0.29)], "", "alike: 29% of the real variety, at best 90%"),
        ([shot(0.9), shot(0.31)], "", ""),
        ([shot(3.0), shot(0.4)], "", ""),
        ([shot(0.9), shot(0.8, 1.0)], "", "no nearer than the mean image: distance 1.00"),
        ([shot(0.9, 2.0), shot(0.8, 0.99)], "", ""),
        ([], "loss_d is nan at step 50", "diverged: loss_d is nan at step 50"),
    ],
)
def test_a_run_counts_as_collapsed_by_the_rule(
    found: list[dict[str, float]], diverged: str, reason: str
) -> None:
    assert verdict(found, diverged) == reason


def row(name: str, seed: int, distances: list[float], collapsed: str = "") -> dict[str, Any]:
    found = [
        {"variety": 0.8, "distance": distance, "saturated": 0.1, "step": step}
        for step, distance in enumerate(distances, 1)
    ]
    diverged = collapsed if collapsed.startswith("diverged") else ""
    return {
        "name": name,
        "seed": seed,
        "collapsed": collapsed,
        "diverged": diverged,
        "snapshots": found,
    }


ROWS = {
    "bn-g-adam-lsgan": [
        row("bn-g-adam-lsgan", 0, [0.9, 0.9, 0.5, 0.3]),
        row("bn-g-adam-lsgan", 1, [0.9, 0.9, 0.4, 0.4]),
    ],
    "bn-g-adam-gan": [
        row("bn-g-adam-gan", 0, [0.9, 0.9, 0.9, 1.3], "no nearer"),
        row("bn-g-adam-gan", 1, [0.9, 0.9, 0.9, 1.2], "no nearer"),
        row("bn-g-adam-gan", 2, [], "diverged: nan"),
    ],
    "bn-gd-adam-gan": [row("bn-gd-adam-gan", 0, [], "diverged: nan")],
}


def test_counts_and_paired_differences() -> None:
    found = summary(ROWS)
    assert found["bn-g-adam-lsgan"]["collapsed"]["hits"] == 0
    assert found["bn-g-adam-gan"]["collapsed"]["hits"] == 3
    assert found["bn-g-adam-lsgan"]["distance"]["mean"] == pytest.approx(0.35)
    # The sd of two numbers is their difference over the root of two.
    assert found["bn-g-adam-lsgan"]["unrest"] == pytest.approx(0.2 / 2**0.5 / 2)
    assert "distance" not in found["bn-gd-adam-gan"]
    (pair,) = differences(ROWS)
    assert (pair["title"], pair["seeds"]) == ("BN_G, Adam", 2)
    assert pair["mean"] == pytest.approx(-0.9)
    assert pair["low"] == pytest.approx(-0.9 - 12.706 * 0.1, abs=1e-3)


def test_tables_have_counts_and_intervals() -> None:
    text = tables(ROWS)
    assert "| none in G (BN_G) | adam | gan | 3 of 3 (0.44 to 1.00) |" in text
    assert "| BN_G, Adam | 2 | -0.900 | -2.171 to +0.371 |" in text
    single = {name: own[:1] for name, own in ROWS.items()}
    assert "| BN_G, Adam | 1 | -1.000 | one seed has none |" in tables(single)


def test_a_command_from_rows_to_figures(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    command = ["--train", str(store.path), "--out", str(out), "--device", "cpu", *SMALL]
    names = ["bn-gd-adam-gan", "bn-gd-rmsprop-lsgan-eq8"]
    stability.main([*command, "--only", ",".join(names)])
    printed = capsys.readouterr()
    assert "all: 2 of 2 runs" in printed.err
    assert "none in G and D (BN_GD)" in printed.out
    result = json.loads((out / "stability.json").read_text())
    assert list(result["rows"]) == names
    assert [s["step"] for s in result["rows"][names[0]][0]["snapshots"]] == [1, 2]
    assert result["settings"]["real"]["own_distance"] > 0
    assert {path.name for path in out.iterdir() if path.suffix == ".png"} == {
        "curves.png",
        "sheet.png",
    }

    def never(*arguments: object, **more: object) -> None:
        raise AssertionError("all rows are there")

    monkeypatch.setattr(stability, "snapshots", never)
    stability.main([*command, "--only", ",".join(names)])
    with pytest.raises(SystemExit, match="was started with other settings"):
        stability.main([*command, "--images", "256"])


def test_a_run_that_diverged_has_a_row_without_snapshots(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*arguments: object, **more: object) -> None:
        raise NotFiniteError("loss_g is nan at step 1")

    monkeypatch.setattr(stability, "snapshots", diverge)
    command = ["--train", str(store.path), "--out", str(tmp_path), "--device", "cpu", *SMALL]
    stability.main([*command, "--only", "bn-g-adam-gan"])
    (own,) = json.loads((tmp_path / "stability.json").read_text())["rows"]["bn-g-adam-gan"]
    assert own["collapsed"] == "diverged: loss_g is nan at step 1"
    assert own["snapshots"] == []
    assert (np.load(tmp_path / "samples" / "bn-g-adam-gan-0.npy") == 255).all()


def test_an_interrupted_run_is_trained_by_a_rerun(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measured = stability.measures

    def interrupt(images: np.ndarray, real: Real) -> dict[str, float]:
        signal.raise_signal(signal.SIGINT)
        return measured(images, real)

    command = ["--train", str(store.path), "--out", str(tmp_path), "--device", "cpu", *SMALL]
    command += ["--only", "bn-gd-adam-lsgan"]
    monkeypatch.setattr(stability, "measures", interrupt)
    stability.main(command)
    assert "stopped" in capsys.readouterr().err
    assert not list((tmp_path / "rows").iterdir())
    monkeypatch.setattr(stability, "measures", measured)
    stability.main(command)
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["bn-gd-adam-lsgan-0.json"]


def test_bad_options(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stability.main(["--train", str(store.path), "--out", str(tmp_path), "--only", "bn-x"])
    assert "unknown setting bn-x; choose from bn-g-adam-lsgan" in capsys.readouterr().err


def test_quick_is_the_reduced_form() -> None:
    options = stability.parsed(["--train", "a", "--out", "b", "--quick"])
    assert (options.size, options.narrow, options.seeds) == (32, 8, 3)
    assert stability.parsed(["--train", "a", "--out", "b", "--quick", "--seeds", "5"]).seeds == 5
    assert stability.parsed(["--train", "a", "--out", "b"]).seeds == 10
    assert options.images // 64 == 800
    assert options.names == list(SETTINGS)
