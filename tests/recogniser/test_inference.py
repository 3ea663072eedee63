from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import InputError, RunError
from hwgen.imaging.framing import Framing
from hwgen.pixel_range import PixelRange
from hwgen.recogniser import inference
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.loading import load_recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.recogniser.reader import accuracy, top_k_accuracy, top_k_classes
from tests.recogniser.conftest import MakeStore

CPU = torch.device("cpu")
CHARSET = Charset(("一", "丨", "十", "口", "日", "目"))


def recogniser(toy: RecogniserRecipe, channels: int = 1) -> Recogniser:
    torch.manual_seed(0)
    network = RecogniserNetwork(toy, len(CHARSET), channels)
    return Recogniser(network, toy, CHARSET, channels=channels, provenance={"seed": 0})


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("pixels", [PixelRange(paper=0.0, ink=1.0), PixelRange(1.0, -1.0)])
def test_read_gives_the_networks_probabilities(toy: RecogniserRecipe, pixels: PixelRange) -> None:
    subject = recogniser(replace(toy, pixels=pixels))
    images = random_images(5, 16, 16)
    found = subject.read(images)
    share = torch.from_numpy(images)[:, None] / 255
    with torch.no_grad():
        scores = subject.network(pixels.ink + share * (pixels.paper - pixels.ink))
    np.testing.assert_allclose(found, scores.softmax(1).numpy(), atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_the_input_of_the_last_layer(toy: RecogniserRecipe, channels: int) -> None:
    subject = recogniser(toy, channels)
    images = random_images(5, 16, 16, *([3] if channels == 3 else []))
    found = subject.features(images)
    seen: list[torch.Tensor] = []
    subject.network[-1].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.from_numpy(images).view(5, 16, 16, channels).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        subject.network(toy.pixels.ink + x * (toy.pixels.paper - toy.pixels.ink))
    assert found.shape == (5, toy.hidden)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, seen[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(subject.classify(found), subject.read(images), atol=1e-6)


def test_features_of_misfits_are_refused_and_of_nothing_are_none(toy: RecogniserRecipe) -> None:
    with pytest.raises(InputError):
        recogniser(toy).features(random_images(2, 7, 7))
    nothing = recogniser(toy).features(random_images(0, 16, 16))
    assert nothing.shape == (0, toy.hidden)
    assert recogniser(toy).classify(nothing).shape == (0, 6)


def test_batches_do_not_show(toy: RecogniserRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, images = recogniser(toy), random_images(7, 16, 16)
    whole = subject.read(images)
    monkeypatch.setitem(inference.INFERENCE_BATCH, "cpu", 3)
    np.testing.assert_allclose(subject.read(images), whole, atol=1e-6)


def test_larger_images_are_averaged_down(toy: RecogniserRecipe) -> None:
    subject, small = recogniser(toy), random_images(3, 16, 16)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(subject.read(large), subject.read(small), atol=1e-6)


@pytest.mark.parametrize("size", [8, 12, 15])
def test_smaller_images_are_enlarged_up_to_twice(toy: RecogniserRecipe, size: int) -> None:
    images = random_images(3, size, size)
    wide = F.interpolate(torch.from_numpy(images).float()[:, None], size=(16, 16), mode="bilinear")
    subject = recogniser(toy)
    subject.check(size, 1)
    expected = subject.read(wide[:, 0].round().to(torch.uint8).numpy())
    np.testing.assert_array_equal(subject.read(images), expected)


def test_colour_recognisers_read_colour(toy: RecogniserRecipe) -> None:
    assert recogniser(toy, channels=3).read(random_images(2, 16, 16, 3)).shape == (2, 6)


@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (2, 16, 18), (2, 7, 7)])
def test_images_that_do_not_fit_are_refused(toy: RecogniserRecipe, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        recogniser(toy).read(random_images(*shape))


def test_no_images_give_no_rows(toy: RecogniserRecipe) -> None:
    assert recogniser(toy).read(random_images(0, 16, 16)).shape == (0, 6)
    assert recogniser(toy).top_k([], 3).shape == (0, 3)


def test_top_k_reads_block_by_block(toy: RecogniserRecipe) -> None:
    subject, images = recogniser(toy), random_images(5, 16, 16)
    images.flags.writeable = False
    found = subject.top_k([images[:2], images[2:]], 3)
    np.testing.assert_array_equal(found, top_k_classes(subject.read(images), 3))


def test_top_k_classes_are_in_order_and_ties_go_to_the_lower_id() -> None:
    probabilities = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4]], np.float32)
    assert top_k_classes(probabilities, 3).tolist() == [[1, 2, 0], [2, 0, 1]]


def test_accuracy_counts_labels_among_the_k_best() -> None:
    probabilities = np.array([[0.1, 0.5, 0.4], [0.2, 0.3, 0.5]], np.float32)
    labels = np.array([2, 2])
    assert accuracy(probabilities, labels) == 0.5
    assert accuracy(probabilities, labels, 2) == 1.0
    assert top_k_accuracy(np.array([[1], [2]]), np.array([0, 0])) == 0.0


def test_accuracy_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no images"):
        accuracy(np.empty((0, 3), np.float32), np.empty(0, np.int64))


def test_save_and_load_give_the_same_recogniser(toy: RecogniserRecipe, tmp_path: Path) -> None:
    subject, path = recogniser(toy), tmp_path / "r.safetensors"
    subject.save(path)
    loaded = Recogniser.load(path, CPU)
    images = random_images(4, 16, 16)
    np.testing.assert_array_equal(loaded.read(images), subject.read(images))
    assert (loaded.recipe, loaded.charset, loaded.channels) == (toy, CHARSET, 1)
    assert loaded.provenance == {"seed": 0}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("format", '"hwgen-run"'),
        ("format_version", "9"),
        ("recipe", '{"size": "large"}'),
        ("recipe", "not json"),
        ("charset", '["一", "一"]'),
        ("charset", '["一", "丨"]'),
        ("channels", "3"),
        ("provenance", "7"),
        ("charset", None),
    ],
)
def test_a_misfit_is_refused(
    toy: RecogniserRecipe, tmp_path: Path, field: str, text: str | None
) -> None:
    path = tmp_path / "r.safetensors"
    recogniser(toy).save(path)
    tensors, texts = load_tensors(path)
    changed: dict[str, Any] = {**texts, field: text}
    save_tensors(path, tensors, {name: value for name, value in changed.items() if value})
    with pytest.raises(RunError, match=r"/r\.safetensors"):
        Recogniser.load(path, CPU)


def test_files_that_are_not_recognisers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    with pytest.raises(RunError, match="no recogniser here"):
        Recogniser.load(path, CPU)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        Recogniser.load(path, CPU)


def test_predictions_are_labels_of_the_most_probable_classes(toy: RecogniserRecipe) -> None:
    subject, images = recogniser(toy), random_images(5, 16, 16)
    np.testing.assert_array_equal(subject.predict_proba(images), subject.read(images))
    best = top_k_classes(subject.read(images), 1)[:, 0]
    assert subject.predict(images) == [CHARSET[number] for number in best]
    assert subject.classes == list(CHARSET)
    assert subject.predict([]) == []
    assert repr(subject) == "Recogniser(6 classes, 16x16 grey)"


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_and_kind_are_predicted(toy: RecogniserRecipe, channels: int) -> None:
    subject = recogniser(toy, channels)
    large, wide, small = random_images(40, 40), random_images(10, 30), random_images(7, 7)
    given = [large, PilImage.fromarray(wide), random_images(20, 20, 3), small, large]
    found = subject.predict_proba(given)
    assert found.shape == (5, 6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(found[0], found[4], atol=1e-6)
    colours = () if channels == 1 else (3,)
    for place, image, framing in ((1, wide, Framing(16)), (3, small, Framing(16, margin=0))):
        framed = framing.apply(image)
        if colours:
            framed = np.stack([framed] * 3, axis=2)
        np.testing.assert_allclose(found[place], subject.read(framed[None])[0], atol=1e-6)
    assert subject.predict(large) == [subject.predict(given)[0]]


def test_records_of_a_store_are_predicted(toy: RecogniserRecipe, make_store: MakeStore) -> None:
    store = make_store("s", per_class=2, labels="一丨")
    subject = recogniser(toy)
    expected = subject.read(store.all_images())
    np.testing.assert_allclose(subject.predict_proba(store), expected, atol=1e-6)
    assert subject.predict(store[:2]) == subject.predict(store)[:2]


def test_what_is_no_image_is_not_predicted(toy: RecogniserRecipe) -> None:
    with pytest.raises(InputError, match=r"found float64\. Convert them to uint8"):
        recogniser(toy).predict(np.zeros((2, 16, 16)))


def test_a_recogniser_is_loaded_by_its_path(toy: RecogniserRecipe, tmp_path: Path) -> None:
    subject, images = recogniser(toy), random_images(2, 16, 16)
    subject.save(tmp_path / "recogniser-real.safetensors")
    again = load_recogniser(str(tmp_path / "recogniser-real.safetensors"), device="cpu")
    np.testing.assert_array_equal(again.read(images), subject.read(images))
    with pytest.raises(RunError, match=r"no recogniser here.*Give recogniser-\*\.safetensors"):
        load_recogniser(str(tmp_path))
