import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.paper import cifar_score
from benchmarks.paper.cifar_score import inception_score, safe_copy, samples, summary, table
from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import LOSSES, Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.record import Image, Record
from hwgen.runs import Run
from hwgen.store import Store, StoreWriter

torch_fidelity = pytest.importorskip("torch_fidelity")
CPU = torch.device("cpu")
CLASSES = 5


class Toy(torch_fidelity.FeatureExtractorBase):  # type: ignore[misc,name-defined]
    """Logits linear in the mean colour, by weights from a file as the real network's are."""

    def __init__(
        self, name: str, features_list: list[str], feature_extractor_weights_path: str, **_: Any
    ) -> None:
        super().__init__(name, features_list)
        self.linear = torch.nn.Linear(3, CLASSES, bias=False)
        # As the real one reads them.
        state = torch.load(feature_extractor_weights_path, weights_only=False)
        self.load_state_dict(state)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        assert x.dtype == torch.uint8
        return (self.linear(x.float().mean(dim=(2, 3)) / 255),)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("logits",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        assert metric == "isc"
        return "logits"

    @staticmethod
    def can_be_compiled() -> bool:
        return False


torch_fidelity.register_feature_extractor("hwgen-toy", Toy)


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr(cifar_score, "EXTRACTOR", "hwgen-toy")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    matrix = torch.from_numpy(np.random.default_rng(0).normal(0, 6, (CLASSES, 3))).float()
    torch.save({"linear.weight": matrix}, tmp_path / "toy.pth")
    return tmp_path / "toy.pth"


def random_images(count: int) -> Image:
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (count, 1, 1, 3))
    return (colours + rng.integers(-3, 4, (count, 8, 8, 3))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("count", "splits"), [(103, 10), (40, 1), (7, 7)])
def test_the_score_equals_its_definition(weights: Path, count: int, splits: int) -> None:
    images = random_images(count)
    mean, sd = inception_score(images, weights, splits=splits, device=CPU, batch=16)
    # Independent, in numpy: softmax, shuffle, split, exp of the mean divergence from the mean.
    matrix = torch.load(weights)["linear.weight"].double().numpy()
    logits = images.mean(axis=(1, 2)) / 255 @ matrix.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p = p[np.random.RandomState(2020).permutation(count)]
    scores = []
    for i in range(splits):
        part = p[i * count // splits : (i + 1) * count // splits]
        divergence = [float((q * np.log(q / part.mean(axis=0))).sum()) for q in part]
        scores.append(np.exp(np.mean(divergence)))
    assert mean == pytest.approx(np.mean(scores), rel=1e-5)
    assert sd == pytest.approx(np.std(scores), rel=1e-4, abs=1e-7)
    assert mean > 1.0 or splits == count


def test_n_certain_and_equal_classes_score_n_and_one_image_scores_one(
    tmp_path: Path,
) -> None:
    matrix = torch.zeros(CLASSES, 3)
    matrix[:3] = 60 * torch.eye(3)
    torch.save({"linear.weight": matrix}, tmp_path / "sure.pth")
    images = np.zeros((30, 4, 4, 3), np.uint8)
    images[np.arange(30), :, :, np.arange(30) % 3] = 255
    mean, sd = inception_score(images, tmp_path / "sure.pth", splits=1, device=CPU)
    assert mean == pytest.approx(3, rel=1e-6)
    assert sd == 0
    mean, _ = inception_score(images[:1].repeat(30, 0), tmp_path / "sure.pth", splits=3, device=CPU)
    assert mean == pytest.approx(1)


def test_the_inception_network_is_registered_and_used_without_bias(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    network = torch_fidelity.registry.FEATURE_EXTRACTORS_REGISTRY[cifar_score.EXTRACTOR]
    assert network.get_default_feature_layer_for_metric("isc") == "logits_unbiased"


def test_a_missing_library_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity", None)
    with pytest.raises(InputError, match=r"pip install 'torch-fidelity>="):
        inception_score(random_images(4), weights, splits=1, device=CPU)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="do not fit hwgen-toy"):
        inception_score(random_images(4), tmp_path / "w.pth", splits=1, device=CPU)


def test_other_errors_are_not_blamed_on_the_weights(weights: Path) -> None:
    grey = np.zeros((4, 8, 8), np.uint8)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        inception_score(grey, weights, splits=1, device=CPU)


def test_a_safe_copy_has_equal_weights(weights: Path) -> None:
    with safe_copy(weights) as copy:
        assert copy != weights
        found = torch.load(copy)
        assert torch.equal(found["linear.weight"], torch.load(weights)["linear.weight"])
    assert not copy.exists()


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    fuse = tmp_path / "ran"
    torch.save({"linear.weight": Bomb(fuse)}, tmp_path / "bomb.pth")
    with (
        pytest.raises(InputError, match="without running code"),
        safe_copy(tmp_path / "bomb.pth"),
    ):
        pass
    assert not fuse.exists()
    torch.load(tmp_path / "bomb.pth", weights_only=False)  # it is live
    assert fuse.exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut short"])
def test_files_without_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with (
        pytest.raises(InputError, match="cannot be read as weights"),
        safe_copy(tmp_path / "w.pth"),
    ):
        pass


def test_missing_files_and_other_contents_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="cannot be read as weights"),
        safe_copy(tmp_path / "none.pth"),
    ):
        pass
    for value in ([torch.zeros(1)], {"epoch": 3}):
        torch.save(value, tmp_path / "w.pth")
        with (
            pytest.raises(InputError, match="expected only named tensors"),
            safe_copy(tmp_path / "w.pth"),
        ):
            pass


@pytest.fixture
def recipe() -> Recipe:
    stages = (
        '[{"channels": 4, "kernel": 5, "stride": 2}, {"channels": 3, "kernel": 5, "stride": 2}]'
    )
    return change(
        preset("cifar10"),
        {
            "size": "16",
            "generator.start": "[4, 4]",
            "generator.stages": stages,
            "generator.z_dim": "6",
            "discriminator.stages": '[{"channels": 4, "kernel": 5, "stride": 2}]',
            "batch": "4",
            "images": "8",
            "every": "8",
        },
    )


def test_samples_take_classes_in_turn(recipe: Recipe) -> None:
    torch.manual_seed(0)
    recipe = change(recipe, {"conditional": "true"})
    sampler = Sampler(build(recipe, 3)[0], recipe, Charset(tuple("abc")), CPU)
    found = samples(sampler, 7, seed=4)
    assert found.shape == (7, 16, 16, 3)
    ids, indices = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([0, 0, 0, 1, 1, 1, 2])
    assert np.array_equal(found, sampler.sample(ids, indices, seed=4))


def test_runs_of_grey_images_are_refused(toy_recipe: Recipe) -> None:
    sampler = Sampler(build(toy_recipe, 3)[0], toy_recipe, Charset(tuple("abc")), CPU, "run 1")
    with pytest.raises(InputError, match="run 1 generates grey images"):
        samples(sampler, 7, seed=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with StoreWriter(tmp_path / "store", size=16, channels=3, recipe={}) as writer:
        for n, image in enumerate(random_images(24).repeat(2, 1).repeat(2, 2)):
            writer.add(Record(image, "*", "", "toy", n))
        return writer.finish(charset=Charset(("*",)), origin={"kind": "images"})


def trained(store: Store, out: Path, recipe: Recipe, seed: int) -> Run:
    return train(store, out, recipe, seed=seed, device="cpu", on_collapse="ignore")


def test_the_command_scores_runs_and_writes_a_table(
    store: Store,
    recipe: Recipe,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [trained(store, tmp_path / f"ls{seed}", recipe, seed) for seed in range(2)]
    gan = change(recipe, {"loss.kind": "gan", "loss.reduction": "mean"})
    runs.append(trained(store, tmp_path / "gan", gan, 0))
    out = tmp_path / "out"
    command = ["--run", *[str(run.path) for run in runs], "--weights", str(weights), "--out"]
    command += [str(out), "--images", "20", "--splits", "2", "--device", "cpu"]
    cifar_score.main([*command, "--real", str(store.path)])
    printed = capsys.readouterr().out
    assert "| cifar10, LSGAN (0, 1, 1) | 2 | 20 |" in printed
    assert "| cifar10, regular GAN | 1 | 20 |" in printed
    assert "| real images | 1 | 20 |" in printed
    assert "do not compare" in printed
    result = json.loads((out / "score.json").read_text())
    assert result["settings"]["official_weights"] is False
    assert len(result["rows"]) == 4
    (own,) = (row for row in result["rows"] if row["group"] == "cifar10, regular GAN")
    sampler = Sampler.load(runs[2], device="cpu")
    expected = inception_score(samples(sampler, 20, seed=0), weights, splits=2, device=CPU)
    assert (own["score"], own["sd over splits"]) == expected

    def never(*arguments: object, **more: object) -> None:
        raise AssertionError("all rows are there")

    monkeypatch.setattr(cifar_score, "inception_score", never)
    cifar_score.main([*command, "--real", str(store.path)])
    assert capsys.readouterr().out == printed
    with pytest.raises(SystemExit, match="was started with other settings"):
        cifar_score.main([*command, "--seed", "1"])

    def interrupt(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar_score, "inception_score", interrupt)
    with pytest.raises(SystemExit, match="rerun the command to resume"):
        cifar_score.main([*command[:-1], "cpu", "--out", str(tmp_path / "other")])


def test_official_weights_are_known_by_their_hash(
    weights: Path, tmp_path: Path, store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = trained(store, tmp_path / "run", recipe, 0)
    monkeypatch.setattr(cifar_score, "file_hash", lambda path: "6726825d" + 8 * "0")
    out = tmp_path / "out"
    cifar_score.main(
        ["--run", str(run.path), "--weights", str(weights), "--out", str(out), "--quick"]
    )
    assert "do not compare" not in capsys.readouterr().out
    settings = json.loads((out / "score.json").read_text())["settings"]
    assert settings["official_weights"] is True
    assert settings["images"] == 500


def test_intervals_are_over_models() -> None:
    rows = [
        {"group": "g", "images": 9, "score": score, "sd over splits": sd}
        for score, sd in ((6.0, 0.1), (6.2, 0.3))
    ]
    found = summary(rows)
    assert found["g"]["mean"] == pytest.approx(6.1)
    assert found["g"]["sd over models"] == pytest.approx(0.2 / 2**0.5)
    assert found["g"]["mean sd over splits"] == pytest.approx(0.2)
    assert found["g"]["high"] == pytest.approx(6.1 + 12.706 * 0.1, abs=1e-3)
    assert "| g | 2 | 9 | 6.100 | 4.829 to 7.371 | 0.200 |" in table(found)
    assert "none for one model" in table(summary(rows[:1]))
    assert summary(rows[:1])["g"]["sd over models"] is None


@pytest.mark.parametrize("splits", ["0", "60000"])
def test_bad_options(splits: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cifar_score.main(["--run", "a", "--weights", "b", "--out", "c", "--splits", splits])
    assert "--splits must be at least 1" in capsys.readouterr().err


def test_names_of_losses() -> None:
    names = {key: cifar_score.name_of(loss) for key, loss in LOSSES.items()}
    assert names == {
        "lsgan-eq9": "LSGAN (0, 1, 1)",
        "lsgan-eq8": "LSGAN (-1, 1, 0)",
        "gan": "regular GAN",
    }
