# ruff: noqa: F811 -- fixtures are imported by their names
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.evaluation.snapshot_score import Scorer
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.loading import load_reader
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.store import Store, StoreWriter
from tests.onnx_models import Classifier, export
from tests.recogniser.conftest import make_store, toy  # noqa: F401

MakeStore = Callable[..., Store]


def recogniser(toy: RecogniserRecipe, labels: str = "一丨十", channels: int = 1) -> Recogniser:
    torch.manual_seed(0)
    network = RecogniserNetwork(toy, len(labels), channels)
    return Recogniser(network, toy, Charset(tuple(labels)), channels=channels)


def test_real_samples_have_the_real_variety(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    store = make_store("real", per_class=10)
    reader = recogniser(toy)
    found = Scorer(reader, store, 16)(store.all_images(), store.labels)
    assert found["diversity"] == pytest.approx(1)
    right = reader.read(store.all_images()).argmax(axis=1) == store.labels
    assert found["purity"] == pytest.approx(right.mean())


def test_copies_have_no_variety_and_half_of_it_is_half(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", per_class=10)
    images, ids = store.all_images(), store.labels
    copies = np.stack([images[ids == class_id][0] for class_id in ids])
    score = Scorer(recogniser(toy), store, 16)
    assert score(copies, ids)["diversity"] == 0
    faint = np.rint(images / 2).astype(np.uint8)
    assert score(faint, ids)["diversity"] == pytest.approx(0.5, abs=0.02)


def test_scores_are_named_and_repeatable(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    store = make_store("real", per_class=10)
    reader = recogniser(toy)
    reader.sha256 = "a1b2"
    score = Scorer(reader, store, 16)
    first = score(store.all_images(), store.labels)
    assert first["recogniser"] == "a1b2"
    assert score(store.all_images(), store.labels) == first


def test_the_frechet_distance_is_relative_to_the_real_variance(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", per_class=10)
    images, ids = store.all_images(), store.labels
    reader = recogniser(toy)
    score = Scorer(reader, store, 16)
    assert score(images, ids)["frechet_share"] == pytest.approx(0, abs=1e-6)
    # One image repeated, at the real mean: its distance is the real variance.
    alike = np.repeat(images[:1], len(images), axis=0)
    features = reader.features(images).astype(np.float64)
    off = ((reader.features(images[:1])[0] - features.mean(axis=0)) ** 2).sum()
    expected = 1 + off / features.var(axis=0, ddof=1).sum()
    assert score(alike, ids)["frechet_share"] == pytest.approx(expected, rel=1e-4)


def test_some_classes_are_compared_with_the_same_real_samples(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", per_class=10)
    chosen = store.labels != 1
    found = Scorer(recogniser(toy), store, 16)(store.all_images()[chosen], store.labels[chosen])
    assert found["diversity"] == pytest.approx(1)
    assert found["frechet_share"] == pytest.approx(0, abs=1e-6)


def test_a_recogniser_with_more_classes_in_another_order_works(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", per_class=10)
    reader = recogniser(toy, "永十一丨")
    found = Scorer(reader, store, 16)(store.all_images(), store.labels)
    read = reader.read(store.all_images()).argmax(axis=1)
    right = np.array(list("永十一丨"))[read] == np.array(list("一丨十"))[store.labels]
    assert found["purity"] == pytest.approx(right.mean())


def test_an_onnx_classifier_scores(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store("real", per_class=10)
    file = export(Classifier(classes=4), tmp_path / "m.onnx", labels="永十一丨")
    reader = load_reader(file, torch.device("cpu"))
    found = Scorer(reader, store, 16)(store.all_images(), store.labels)
    read = reader.predict(store.all_images())
    right = [label == store.charset[i] for label, i in zip(read, store.labels, strict=True)]
    assert found["purity"] == np.mean(right)
    assert found["diversity"] == pytest.approx(1)
    assert found["frechet_share"] == pytest.approx(0, abs=1e-5)
    assert found["recogniser"] == reader.sha256


def test_other_classes_sizes_and_channels_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", size=16)
    with pytest.raises(CharsetError, match=r"has 2 classes, but not these 1 of 3: 十"):
        Scorer(recogniser(toy, "丨一"), store, 16)
    with pytest.raises(InputError, match="at least 8 pixels, found 7"):
        Scorer(recogniser(toy), store, 7)
    with pytest.raises(InputError, match="reads colour images, found grey ones"):
        Scorer(recogniser(toy, channels=3), store, 16)
    assert Scorer(recogniser(replace(toy, size=8)), store, 8)


def test_a_store_without_variety_is_refused(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    with pytest.raises(InputError, match="no class has two samples"):
        Scorer(recogniser(toy), make_store("single", size=16, per_class=1), 16)
    many = make_store("many", per_class=4)
    with StoreWriter(many.path.parent / "alike", size=16, recipe={}) as writer:
        for _ in range(4):
            writer.add(many.record(0))
        alike = writer.finish(charset=many.charset, origin={"kind": "gnt"})
    score = Scorer(recogniser(toy), alike, 16)
    with pytest.raises(InputError, match="no class has two different samples"):
        score(alike.all_images(), alike.labels)
