from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwgen.batches import Shuffled
from hwgen.errors import CharsetError, DivergedError, InputError
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.reader import Recogniser, accuracy
from hwgen.recogniser.training import (
    LabelledPictures,
    from_stores,
    learning_rate,
    train_recogniser,
)
from hwgen.store import Store

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]


def train(data: LabelledPictures, recipe: RecogniserRecipe, seed: int = 0) -> Recogniser:
    trained = train_recogniser(data, recipe, seed=seed, device=CPU)
    assert trained is not None
    return trained


def test_a_tiny_set_is_learnt_by_heart_and_a_like_one_is_read(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store, unseen = make_store("train"), make_store("test", seed=9)
    trained = train(from_stores([store], 16, CPU), toy)
    assert accuracy(trained.read(store.all_images()), store.labels) == 1.0
    assert accuracy(trained.read(unseen.all_images()), unseen.labels) > 0.9
    assert not trained.network.training
    assert trained.provenance["seed"] == 0
    assert trained.provenance["pictures"] == 24
    assert trained.charset == store.charset


def test_the_seed_decides_every_weight(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data, short = from_stores([make_store("train")], 16, CPU), replace(toy, steps=5)
    before = torch.get_rng_state()
    first, again, other = (train(data, short, seed).network.state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_bf16_is_an_option(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("train")], 16, CPU)
    trained = train_recogniser(data, replace(toy, steps=2), seed=0, device=CPU, precision="bf16")
    assert trained is not None
    assert trained.provenance["precision"] == "bf16"
    assert trained.network[0].weight.dtype == torch.float32


def test_progress_is_told_of_every_step_and_the_mean_loss(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    calls: list[tuple[int, int, float]] = []
    train_recogniser(
        from_stores([make_store("train")], 16, CPU),
        replace(toy, steps=45),
        seed=0,
        device=CPU,
        progress=lambda *news: calls.append(news),
    )
    assert [(done, steps) for done, steps, _ in calls] == [(20, 45), (40, 45), (45, 45)]
    assert calls[0][2] > calls[2][2] > 0


def test_stop_ends_without_a_result(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    asked = iter([False, False, True])
    data = from_stores([make_store("train")], 16, CPU)
    trained = train_recogniser(data, toy, seed=0, device=CPU, stop=lambda: next(asked))
    assert trained is None
    assert next(asked, None) is None


def test_divergence_is_named(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("train")], 16, CPU)
    with pytest.raises(DivergedError, match="Lower the recipe's lr"):
        train_recogniser(data, replace(toy, lr=float("inf")), seed=0, device=CPU)


def test_no_pictures_are_refused(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("train", per_class=0)], 16, CPU)
    with pytest.raises(InputError, match="empty"):
        train_recogniser(data, toy, seed=0, device=CPU)


def test_stores_are_joined_in_order_and_averaged_down(make_store: MakeStore) -> None:
    small, large = make_store("small", per_class=3), make_store("large", per_class=2, size=32)
    data = from_stores([small, large], 16, CPU)
    assert len(data.pictures) == 15
    order = Shuffled(15, 15, seed=0)
    drawn = data.pictures.draw(order, 0)[:, 0].numpy()
    halved = large.all_images().reshape(6, 16, 2, 16, 2).mean(axis=(2, 4)).round()
    expected = np.concatenate([small.all_images(), halved.astype(np.uint8)])
    np.testing.assert_array_equal(drawn, expected[order.indices(0)])
    assert data.labels.tolist() == [*small.labels, *large.labels]


def test_stores_of_other_classes_or_channels_are_refused(make_store: MakeStore) -> None:
    store = make_store("a")
    with pytest.raises(CharsetError, match="not that of"):
        from_stores([store, make_store("b", labels="丨一十")], 16, CPU)
    with pytest.raises(InputError, match="3 channels"):
        from_stores([store, make_store("c", channels=3)], 16, CPU)


def test_colour_is_learnt_too(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("colour", channels=3)], 16, CPU)
    assert train(data, replace(toy, steps=1)).channels == 3


def test_the_rate_rises_and_falls_once(toy: RecogniserRecipe) -> None:
    recipe = replace(toy, steps=100, lr=0.5, warmup=0.2)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.5 / 20)
    assert max(rates) == rates[19] == pytest.approx(0.5)
    assert rates[60] == pytest.approx(0.25)
    assert 0 < rates[99] < 0.001
    assert (np.diff(rates[:20]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()
    assert learning_rate(replace(recipe, warmup=0.0), 0) == pytest.approx(0.5)
