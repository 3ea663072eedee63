from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwgen.errors import CharsetError, HwgenError, InputError, RunError
from hwgen.recogniser.class_mapping import map_classes
from hwgen.recogniser.doubt import doubt_of_store
from hwgen.recogniser.loading import load_reader, load_recogniser
from hwgen.recogniser.onnx import classifier
from hwgen.recogniser.onnx.classifier import OnnxClassifier
from hwgen.record import Image
from hwgen.store import Store
from tests.onnx_models import LABELS, Classifier, export, needs_onnx, trained
from tests.recogniser.conftest import MakeStore

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _onnx(one_thread: None) -> None:
    needs_onnx()


def images(*shape: int) -> Image:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def probabilities(network: nn.Module, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return network(x).softmax(1).numpy()


@pytest.mark.parametrize("dynamic", [(0,), (), (0, 2, 3)])
def test_it_reads_what_the_network_reads(tmp_path: Path, dynamic: tuple[int, ...]) -> None:
    network = Classifier().eval()
    reader = load_recogniser(export(network, tmp_path / "m.onnx", dynamic=dynamic), device="cpu")
    given = images(70, 16, 16)  # more than a batch
    expected = probabilities(network, torch.from_numpy(given)[:, None] / 255)
    found, features = reader.reading(given)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(reader.read(given), expected, atol=1e-5)
    np.testing.assert_allclose(features, np.log(expected), atol=1e-4)
    assert found.dtype == features.dtype == np.float32
    assert reader.read(given[:0]).shape == (0, 3)
    assert reader.classes == list(LABELS)
    assert reader.predict(given[0]) == [LABELS[expected[0].argmax()]]
    size = None if 2 in dynamic else 16
    assert reader.size == size
    assert repr(reader) == (
        f"OnnxClassifier(3 classes, {'any size,' if size is None else '16x16'} grey)"
    )


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ("white = 0\nblack = 1", lambda g: 1 - g),
        ("white = 255", lambda g: 255 * g),
        ("white = -1.0\nblack = 1", lambda g: 1 - 2 * g),
        ("mean = 0.5\nstd = 0.25", lambda g: (g - 0.5) / 0.25),
        ("white = 0\nblack = 1\nmean = [0.1]\nstd = [0.2]", lambda g: (1 - g - 0.1) / 0.2),
    ],
)
def test_settings_give_the_values_of_the_input(
    tmp_path: Path, settings: str, value: Callable[[Tensor], Tensor]
) -> None:
    network, given = Classifier().eval(), images(5, 16, 16)
    reader = load_reader(export(network, tmp_path / "m.onnx", settings=settings), CPU)
    x = value(torch.from_numpy(given)[:, None] / 255)
    np.testing.assert_allclose(reader.read(given), probabilities(network, x), atol=1e-4)


def test_colour_has_a_mean_per_channel_and_grey_becomes_colour(tmp_path: Path) -> None:
    network = Classifier(channels=3).eval()
    settings = "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]"
    reader = load_reader(export(network, tmp_path / "m.onnx", channels=3, settings=settings), CPU)
    given = images(5, 16, 16)
    x = torch.from_numpy(given)[:, None].repeat(1, 3, 1, 1) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = probabilities(network, (x - mean[:, None, None]) / std[:, None, None])
    np.testing.assert_allclose(reader.read(given), expected, atol=1e-4)
    colour = np.repeat(given[..., None], 3, axis=3)
    np.testing.assert_allclose(reader.read(colour), expected, atol=1e-4)
    reader.check(7, 1)
    reader.check(7, 3)


def test_colour_becomes_grey(tmp_path: Path) -> None:
    reader = load_reader(export(Classifier(), tmp_path / "m.onnx"), CPU)
    given = images(5, 16, 16)
    colour = np.repeat(given[..., None], 3, axis=3)
    np.testing.assert_allclose(reader.read(colour), reader.read(given), atol=1e-5)


@pytest.mark.parametrize(
    ("dynamic", "settings", "stored", "size", "compared"),
    [
        ((0,), "", 32, 16, 16),
        ((0,), "", 8, 16, 8),
        ((0, 2, 3), "", 32, 32, 32),
        ((0, 2, 3), "size = 24", 32, 24, 24),
    ],
)
def test_images_of_other_sizes_are_scaled(
    tmp_path: Path,
    dynamic: tuple[int, ...],
    settings: str,
    stored: int,
    size: int,
    compared: int,
) -> None:
    network, given = Classifier().eval(), images(5, stored, stored)
    file = export(network, tmp_path / "m.onnx", dynamic=dynamic, settings=settings)
    reader = load_reader(file, CPU)
    mode = "area" if size < stored else "bilinear"
    x = nn.functional.interpolate(torch.from_numpy(given)[:, None].float(), size, mode=mode)
    if size < stored:
        x = x.round()
    np.testing.assert_allclose(reader.read(given), probabilities(network, x / 255), atol=1e-4)
    assert reader.size_for(stored) == compared
    with pytest.raises(InputError, match="expected square images"):
        reader.read(images(2, 16, 8))


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1)])
def test_probabilities_and_logits_are_recognised(tmp_path: Path, last: nn.Module) -> None:
    network, given = Classifier().eval(), images(5, 16, 16)
    expected = probabilities(network, torch.from_numpy(given)[:, None] / 255)
    network.last = last
    reader = load_reader(export(network, tmp_path / "m.onnx"), CPU)
    np.testing.assert_allclose(reader.read(given), expected, atol=1e-4)
    scores = "probabilities" if isinstance(last, nn.Softmax) else "logits"
    assert reader.facts["scores"] == scores


def test_features_of_many_classes_are_projected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "FEATURES", 200)
    labels = "".join(chr(0x4E00 + i) for i in range(400))
    file = export(Classifier(classes=400), tmp_path / "m.onnx", labels=labels)
    found, features = load_reader(file, CPU).reading(images(8, 16, 16))
    assert (found.shape, features.shape) == ((8, 400), (8, 200))
    logarithms = np.log(found)
    ratio = np.square(features[0] - features[1:]).sum(1)
    ratio /= np.square(logarithms[0] - logarithms[1:]).sum(1)
    assert np.all((ratio > 0.5) & (ratio < 1.5))


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Classifier()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.convolution(x).mean((2, 3)), self.inner(x)


def test_the_output_with_as_many_scores_as_classes_is_taken(tmp_path: Path) -> None:
    network, given = TwoOutputs().eval(), images(5, 16, 16)
    reader = load_reader(export(network, tmp_path / "m.onnx", dynamic=()), CPU)
    x = torch.from_numpy(given)[:, None] / 255
    np.testing.assert_allclose(reader.read(given), probabilities(network.inner, x), atol=1e-5)


def test_hash_and_facts_name_model_classes_and_settings(tmp_path: Path) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    first = load_reader(file, CPU)
    assert first.facts == {
        "format": "onnx",
        "file": "m.onnx",
        "model_sha256": first.facts["model_sha256"],
        "classes": 3,
        "charset_fingerprint": first.charset.fingerprint,
        "channels": 1,
        "scores": "logits",
        "white": [1.0],
        "black": [0.0],
        "mean": [0.0],
        "std": [1.0],
        "size": 16,
    }
    assert load_reader(file, CPU).sha256 == first.sha256
    (tmp_path / "m.toml").write_text("white = 255")
    inverted = load_reader(file, CPU)
    (tmp_path / "m.classes.txt").write_text("一十丨", encoding="utf-8")
    reordered = load_reader(file, CPU)
    assert len({one.sha256 for one in (first, inverted, reordered)}) == 3
    assert {one.facts["model_sha256"] for one in (inverted, reordered)} == {
        first.facts["model_sha256"]
    }


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store("real", per_class=24)


@pytest.mark.parametrize(
    ("white", "black", "text"),
    [(0.0, 1.0, "white = 0, black = 1"), (255.0, 0.0, ""), (-1.0, 1.0, "white = -1, black = 1")],
)
def test_wrong_values_of_paper_and_ink_are_found(
    tmp_path: Path, store: Store, white: float, black: float, text: str
) -> None:
    grey = torch.from_numpy(store.all_images())[:, None] / 255
    network = trained(black + grey * (white - black), torch.from_numpy(store.labels))
    file = export(network, tmp_path / "m.onnx")
    found = doubt_of_store(load_reader(file, CPU), store)
    if text:
        assert f"With {text} it reads 100% of 64: write this into {tmp_path / 'm.toml'}" in found
    (tmp_path / "m.toml").write_text(f"white = {white}\nblack = {black}")
    assert doubt_of_store(load_reader(file, CPU), store) == ""


def test_a_wrong_order_of_classes_is_in_doubt(tmp_path: Path, store: Store) -> None:
    grey = torch.from_numpy(store.all_images())[:, None] / 255
    file = export(
        trained(grey, torch.from_numpy(store.labels)), tmp_path / "m.onnx", labels="丨十一"
    )
    found = doubt_of_store(load_reader(file, CPU), store)
    assert "chance gives 33%. Check the order of the labels in " in found
    assert str(tmp_path / "m.classes.txt") in found


def test_classes_that_it_lacks_are_named(tmp_path: Path, store: Store) -> None:
    reader = load_reader(export(Classifier(), tmp_path / "m.onnx", labels="一丨人"), CPU)
    with pytest.raises(CharsetError, match=r"has 3 classes, but not these 1 of 3: 十"):
        map_classes(reader, store.charset)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("whit = 1", r"m\.toml: settings has unknown fields .*Did you mean white"),
        ("white = 0", "white and black should differ"),
        ("std = 0", "std should not be 0"),
        ("mean = [1, 2]", "mean should be a number, or one for each of 1 channels"),
        ('white = "paper"', "white should be a list, found 'paper'"),
        ("white = nan", "should be a finite number"),
        ("size = 0", "size should be between 1 and 4,096"),
        ("size = 20", "size = 20, but the model reads 16 pixels"),
        ("white = ", "is not TOML"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: str, message: str) -> None:
    file = export(Classifier(), tmp_path / "m.onnx", settings=settings)
    with pytest.raises(InputError, match=message):
        load_reader(file, CPU)


class Batched(nn.Module):
    """Scores that depend on the other images, as in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3)) * torch.arange(1, 4)
        return pooled - pooled[:1]


class Infinite(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * torch.ones(3) / 0


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Classifier(last=nn.Sigmoid()), "do not sum to 1 over the classes. Export logits"),
        (Batched(), r"depend on the other images or on chance.*model\.eval\(\)"),
        (Infinite(), "its scores are not finite"),
    ],
)
def test_unsuitable_scores_are_refused(tmp_path: Path, network: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_reader(export(network, tmp_path / "m.onnx"), CPU)


class Flat(nn.Module):
    """A network of one size, which its file does not declare."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16 * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.reshape(-1, 256))


def test_a_size_that_is_not_declared_is_asked_for(tmp_path: Path) -> None:
    file = export(Flat(), tmp_path / "m.onnx", dynamic=(0, 2, 3))
    with pytest.raises(InputError, match=r"images of 64 pixels .*m\.toml, such as: size = 96"):
        load_reader(file, CPU)
    (tmp_path / "m.toml").write_text("size = 16")
    assert load_reader(file, CPU).size == 16


def test_what_is_no_image_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected one input \[N, C, S, S\].*found image"):
        load_reader(export(Classifier(channels=2), tmp_path / "m.onnx", channels=2), CPU)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_missing_packages_name_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    file = export(Classifier(), tmp_path / "m.onnx")
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(InputError, match=r"an ONNX classifier needs .*pip install 'onnx>="):
        load_reader(file, CPU)


def test_other_formats_name_the_export(tmp_path: Path) -> None:
    for name in ("model.pt", "model.PTH", "model.h5"):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(InputError, match=r"may contain code. Export .*torch\.onnx\.export\("):
            load_reader(tmp_path / name, CPU)
    with pytest.raises(RunError, match="no ONNX file here: there is no such file"):
        load_reader(tmp_path / "none.onnx", CPU)
    with pytest.raises(HwgenError, match="no recogniser here"):
        load_reader(tmp_path / "none.pt", CPU)


def test_it_is_no_start_for_training(tmp_path: Path) -> None:
    from hwgen.recogniser.inference import Recogniser

    file = export(Classifier(), tmp_path / "m.onnx")
    with pytest.raises(RunError, match="is an ONNX classifier, from which no training starts"):
        Recogniser.load(file, CPU)
    assert isinstance(load_reader(file, CPU), OnnxClassifier)
