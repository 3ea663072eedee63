import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from torch import nn

from benchmarks.paper import saturation
from benchmarks.paper.panels import save_panels
from benchmarks.paper.saturation_measures import (
    EDGES,
    Outputs,
    on_scale,
    outputs,
    ranked,
    slope_of_loss,
    summary,
)
from hwgen.charset import Charset
from hwgen.data import Batches
from hwgen.generators.adversarial.losses import generator_loss
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import LOSSES, Loss, Recipe, change, preset
from hwgen.store import Store, StoreWriter

CPU = torch.device("cpu")
TOY = {
    "size": "16",
    "generator.hidden": "8",
    "generator.start": "[4, 8]",
    "generator.stages": '[{"channels":4,"kernel":3,"stride":1}]',
    "generator.z_dim": "6",
    "discriminator.stages": '[{"channels":4,"kernel":3,"stride":2},'
    '{"channels":4,"kernel":3,"stride":2}]',
    "discriminator.hidden": "8",
    "batch": "4",
}
SETS = [word for name, value in TOY.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest on one thread."""


@pytest.mark.parametrize("name", LOSSES)
def test_outputs_are_on_one_scale_and_the_slope_is_the_derivative(name: str) -> None:
    loss = LOSSES[name]
    values = np.array([-30.0, -1.0, 0.0, 0.3, 1.0, 30.0])
    x = torch.tensor(values, requires_grad=True)
    total = generator_loss(loss, x) * len(values)
    total.backward()
    assert x.grad is not None
    np.testing.assert_allclose(slope_of_loss(loss, values), x.grad.abs().numpy(), atol=1e-9)
    if loss.kind == "gan":
        np.testing.assert_allclose(on_scale(loss, values), x.detach().sigmoid().numpy())
    else:
        targets = np.array([loss.a, loss.b, (loss.a + loss.b) / 2])
        assert on_scale(loss, targets).tolist() == [0, 1, 0.5]


def test_summary_equals_counting_by_hand() -> None:
    loss = LOSSES["lsgan-eq8"]  # -1 is generated, 1 is real
    found = Outputs(
        real=np.array([1.0, 1.0, 0.0, -1.0, 9.0]),
        fake=np.array([-1.0, -1.0, 0.0, 0.0, -9.0]),
        gradient=np.array([1.0, 2.0, 3.0, 4.0, 40.0]),
    )
    seen = summary(loss, found)
    assert seen["real"]["above"] == 0.6
    assert seen["real"]["below"] == 0.2
    assert seen["fake"]["above"] == 0
    assert seen["fake"]["below"] == 0.6
    assert seen["raw"]["real"]["mean"] == 2
    assert seen["real"]["mean"] == 1.5
    pairs = [(r > f) + (r == f) / 2 for r in found.real for f in found.fake]
    assert seen["ranked"] == pytest.approx(np.mean(pairs))
    assert seen["gradient"] == {"mean": 10, "median": 3}
    assert seen["slope"] == pytest.approx(np.abs(found.fake).mean())
    # One output in each is in the middle, one at "generated"; values beyond are in the last bins.
    assert seen["overlap"] == pytest.approx(0.4)
    assert seen["histogram_real"][-1] == 1
    assert seen["histogram_fake"][0] == 1
    assert sum(seen["histogram_real"]) == 5
    assert len(EDGES) == len(seen["histogram_real"]) + 1


def test_ranking_of_equal_sets_is_chance() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert ranked(values, values) == 0.5
    assert ranked(values + 99, values) == 1
    assert ranked(values - 99, values) == 0


@pytest.fixture
def toy_digits(tmp_path: Path) -> Store:
    """40 images of 16x16 in four classes, by the place of a dark bar."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=40)
    images = rng.integers(200, 256, (40, 16, 16)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[3 * label + 1 : 3 * label + 4, 2:14] = 10
    with StoreWriter(tmp_path / "digits", size=16, recipe={}) as writer:
        none = [""] * 40
        writer.add_batch(
            images,
            labels=[str(n) for n in labels],
            writers=none,
            sources=none,
            positions=range(40),
        )
        return writer.finish(charset=Charset(tuple("0123")), origin={})


def toy(arm: str, **changes: str) -> Recipe:
    return saturation.recipe_of(arm, 6, TOY | changes)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("training", [True, False])
def test_outputs_are_those_of_the_networks_in_either_mode(
    toy_digits: Store, training: bool, reduction: str
) -> None:
    recipe = toy("lsgan-eq8", **{"loss.reduction": reduction})
    torch.manual_seed(1)
    g, d = build(recipe, 4)
    for norm in [m for n in (g, d) for m in n.modules() if isinstance(m, nn.BatchNorm2d)]:
        norm.running_mean.fill_(0.5)
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in (g, d)]
    modes = g.training, d.training
    batches = Batches([toy_digits], size=16, pixels=recipe.pixels, batch=4, seed=0, device=CPU)
    found = outputs(g, d, recipe, batches, 3, seed=5, training=training)
    assert (g.training, d.training) == modes
    for network, old in zip((g, d), before, strict=True):
        assert all(torch.equal(value, old[k]) for k, value in network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for n in (g, d) for p in n.parameters())

    g.train(training), d.train(training)
    noise = torch.Generator().manual_seed(5)
    for number in range(3):
        x, y = batches.batch(number)
        made = g(g.sample_noise(4, noise), y).detach().requires_grad_(True)
        part = slice(4 * number, 4 * number + 4)
        np.testing.assert_allclose(found.real[part], d(x, y).detach(), atol=1e-6)
        on_fake = d(made, y)
        np.testing.assert_allclose(found.fake[part], on_fake.detach(), atol=1e-6)
        # The gradient of the sum of the images' own losses.
        (0.5 * on_fake.square().sum()).backward()
        assert made.grad is not None
        norms = made.grad.flatten(1).norm(dim=1)
        np.testing.assert_allclose(found.gradient[part], norms, rtol=1e-4, atol=1e-9)
    assert found.gradient.min() > 0


def test_arms_differ_in_the_loss_alone() -> None:
    recipes = {arm: saturation.recipe_of(arm, 100, {}) for arm in saturation.ARMS}
    base = preset("mnist-compare")
    for arm, recipe in recipes.items():
        assert recipe.steps == 100
        loss = {"kind": recipe.loss.kind, "a": recipe.loss.a, "b": recipe.loss.b}
        assert recipe.loss == Loss(**loss, c=recipe.loss.c, reduction=base.loss.reduction)
        back = {f"loss.{k}": json.dumps(getattr(base.loss, k)) for k in ("a", "b", "c")}
        back |= {"loss.kind": base.loss.kind}
        assert change(recipe, back) == saturation.recipe_of("lsgan-eq9", 100, {})
        assert (LOSSES[arm].kind, LOSSES[arm].a) == (recipe.loss.kind, recipe.loss.a)


Command = Callable[..., list[str]]


@pytest.fixture
def command(toy_digits: Store, tmp_path: Path) -> Command:
    def make(*more: str) -> list[str]:
        store = str(toy_digits.path)
        return ["--train", store, "--test", store, "--out", str(tmp_path / "out"), *SETS, *more]

    return make


SMALL = ["--iterations", "4,2", "--batches", "2", "--samples", "8", "--recogniser-steps", "3"]


def test_a_rerun_resumes(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    saturation.main(command(*SMALL, "--only", "gan"))
    first = json.loads((out / "saturation.json").read_text())
    assert [m["step"] for m in first["rows"][0]["moments"]] == [2, 4]
    assert 0 <= first["settings"]["reader accuracy on test"] <= 1
    capsys.readouterr()

    # As if it had been stopped between the two iterations.
    file = saturation.row_file(out, "gan", 0)
    row = json.loads(file.read_text())
    row["moments"][1:] = []
    file.write_text(json.dumps(row))
    saturation.main(command(*SMALL))
    printed = capsys.readouterr()
    assert "gan-0" not in printed.err
    assert "lsgan-eq9-0: 4 of 4 steps" in printed.err
    result = json.loads((out / "saturation.json").read_text())
    assert [row["arm"] for row in result["rows"]] == list(saturation.ARMS)
    assert result["rows"][0] == first["rows"][0]
    for row in result["rows"]:
        for moment in row["moments"]:
            assert sum(moment["batch"]["histogram_fake"]) == 8
            assert 0 <= moment["read as their label"] <= 1
            assert moment["batch"] != moment["running"]
    assert (out / "tables.md").read_text() in printed.out
    assert printed.out.count("\n| lsgan") == 8
    with PilImage.open(out / "samples.png") as image:
        width, height = 8 * 18 + 2, 4 * 18 + 2
        assert image.size == (2 * (width + 2) + 2, 3 * (height + 2) + 2)
    with PilImage.open(out / "histograms.png") as image:
        assert image.size[0] > 400

    with pytest.raises(SystemExit, match="was started with other settings"):
        saturation.main(command(*SMALL, "--batches", "3"))


def test_stopped_at_once_nothing_is_reported(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saturation, "trained_judge", stop)
    saturation.main(command(*SMALL))
    assert "rerun the command to resume" in capsys.readouterr().err
    assert not (tmp_path / "out" / "saturation.json").exists()


def test_unknown_arms_are_refused(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        saturation.main(command("--only", "gan,wgan"))
    assert "unknown arm wgan" in capsys.readouterr().err


def test_quick_is_sixty_iterations(command: Command) -> None:
    options = saturation.parsed(command("--quick"))
    assert options.iterations[-1] == 60
    assert options.arms == list(saturation.ARMS)


def test_panels_are_a_table_of_contact_sheets(tmp_path: Path) -> None:
    dark, light = np.zeros((4, 5, 5), np.uint8), np.full((4, 5, 5), 200, np.uint8)
    save_panels(tmp_path / "p.png", [[dark, light], [light]], 2)
    with PilImage.open(tmp_path / "p.png") as image:
        shown = np.asarray(image.convert("L"))
    size = 2 * 7 + 2
    assert shown.shape == (2 * (size + 2) + 2, 2 * (size + 2) + 2)
    assert shown[5, 5] == 0
    assert abs(int(shown[5, size + 2 + 5]) - 200) < 20
    assert shown[size + 2 + 5, size + 2 + 5] > 240  # blank
