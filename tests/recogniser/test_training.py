from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.data import Shuffled
from hwgen.errors import CharsetError, DivergedError, InputError
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.mixing import LabelledImages, MixedBatches
from hwgen.recogniser.network import AugmentationSpec, Mixing, RecogniserRecipe
from hwgen.recogniser.reader import accuracy
from hwgen.recogniser.training import (
    augmented,
    from_stores,
    learning_rate,
    train_recogniser,
)
from hwgen.store import Store

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
AT_16 = RecogniserRecipe(size=16)
NO_CHANGE = AugmentationSpec(rotate=0, shear=0, scale=0, translate=0, elastic=0)


def train(data: LabelledImages, recipe: RecogniserRecipe, seed: int = 0) -> Recogniser:
    trained = train_recogniser(data, recipe, seed=seed, device=CPU)
    assert trained is not None
    return trained


def test_a_tiny_store_is_memorised_and_a_similar_one_is_read(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store, unseen = make_store("train"), make_store("test", seed=9)
    trained = train(from_stores([store], AT_16, CPU), toy)
    assert accuracy(trained.read(store.all_images()), store.labels) == 1.0
    assert accuracy(trained.read(unseen.all_images()), unseen.labels) > 0.9
    assert not trained.network.training
    assert trained.provenance["seed"] == 0
    assert trained.provenance["pictures"] == 24
    assert trained.charset == store.charset


def test_the_seed_determines_every_weight(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data, short = from_stores([make_store("train")], AT_16, CPU), replace(toy, steps=5)
    before = torch.get_rng_state()
    first, again, other = (train(data, short, seed).network.state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_bf16_is_an_option(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("train")], AT_16, CPU)
    trained = train_recogniser(data, replace(toy, steps=2), seed=0, device=CPU, precision="bf16")
    assert trained is not None
    assert trained.provenance["precision"] == "bf16"
    assert trained.network[0].weight.dtype == torch.float32


def test_progress_reports_steps_and_the_mean_loss(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    calls: list[tuple[int, int, float]] = []
    train_recogniser(
        from_stores([make_store("train")], AT_16, CPU),
        replace(toy, steps=45),
        seed=0,
        device=CPU,
        progress=lambda *news: calls.append(news),
    )
    assert [(done, steps) for done, steps, _ in calls] == [(20, 45), (40, 45), (45, 45)]
    assert calls[0][2] > calls[2][2] > 0


def test_stop_ends_without_a_result(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    asked = iter([False, False, True])
    data = from_stores([make_store("train")], AT_16, CPU)
    trained = train_recogniser(data, toy, seed=0, device=CPU, stop=lambda: next(asked))
    assert trained is None
    assert next(asked, None) is None


def test_divergence_is_named(
    make_store: MakeStore, toy: RecogniserRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = from_stores([make_store("train")], AT_16, CPU)
    monkeypatch.setattr("hwgen.recogniser.network.check_numbers", lambda value, name: None)
    with pytest.raises(DivergedError, match="a lower lr"):
        train_recogniser(data, replace(toy, lr=float("inf")), seed=0, device=CPU)
    with pytest.raises(DivergedError, match="weights are not finite after the last step"):
        train_recogniser(data, replace(toy, lr=float("inf"), steps=1), seed=0, device=CPU)


def test_no_images_are_refused(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("train", per_class=0)], AT_16, CPU)
    with pytest.raises(InputError, match="empty"):
        train_recogniser(data, toy, seed=0, device=CPU)


def test_stores_are_joined_in_order_and_averaged_down(make_store: MakeStore) -> None:
    small, large = make_store("small", per_class=3), make_store("large", per_class=2, size=32)
    data = from_stores([small, large], AT_16, CPU)
    assert len(data.images) == 15
    order = Shuffled(15, 15, seed=0)
    drawn = data.images.batch(order, 0)[:, 0].numpy()
    halved = large.all_images().reshape(6, 16, 2, 16, 2).mean(axis=(2, 4)).round()
    expected = np.concatenate([small.all_images(), halved.astype(np.uint8)])
    np.testing.assert_array_equal(drawn, expected[order.indices(0)])
    assert data.labels.tolist() == [*small.labels, *large.labels]


def test_stores_of_other_classes_or_channels_are_refused(make_store: MakeStore) -> None:
    store = make_store("a")
    with pytest.raises(CharsetError, match="classes differ from those of"):
        from_stores([store, make_store("b", labels="丨一十")], AT_16, CPU)
    with pytest.raises(InputError, match="expected 1 channel, found 3"):
        from_stores([store, make_store("c", channels=3)], AT_16, CPU)


def test_colour_images_are_trained_on_too(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    data = from_stores([make_store("colour", channels=3)], AT_16, CPU)
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


def test_a_mixed_batch_has_its_fractions_until_the_given_step(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    real, drawn = make_store("real"), make_store("drawn", seed=5)
    stores = [from_stores([store], AT_16, CPU) for store in (real, drawn)]
    recipe = replace(toy, steps=10, batch=8, mixing=Mixing(fraction=0.25, until=0.5))
    batches = MixedBatches(*stores, recipe, seed=3)
    known = {store: {image.tobytes() for image in store.all_images()} for store in (real, drawn)}
    assert not known[real] & known[drawn]
    for step in range(10):
        parts, y = batches.batch(step)
        x = torch.cat(parts)
        assert x.shape == (8, 1, 16, 16)
        images = ((1 - x) * 255).round().to(torch.uint8).numpy()[:, 0]
        of_real = [image.tobytes() in known[real] for image in images]
        assert of_real == ([True] * 6 + [False] * 2 if step < 5 else [True] * 8)
        labels = {
            image.tobytes(): int(label)
            for store in (real, drawn)
            for image, label in zip(store.all_images(), store.labels, strict=True)
        }
        assert y.tolist() == [labels[image.tobytes()] for image in images]
    again = MixedBatches(*stores, recipe, seed=3).batch(7)
    assert torch.equal(again[0][0], batches.batch(7)[0][0])
    assert torch.equal(again[1], batches.batch(7)[1])


def test_classes_without_real_samples_are_as_frequent_as_others_in_balanced_batches(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    real = from_stores([make_store("real", labels="一丨")], AT_16, CPU)
    real = replace(real, charset=Charset(tuple("一丨十")))
    drawn = from_stores([make_store("drawn", seed=5)], AT_16, CPU)
    recipe = replace(toy, steps=60, batch=12, balanced=True, mixing=Mixing(fraction=0.5))
    batches = MixedBatches(real, drawn, recipe, seed=3)
    labels = torch.cat([batches.batch(step)[1] for step in range(60)])
    assert torch.bincount(labels).tolist() == [240, 240, 240]
    # Half of the samples of the other classes are synthetic, so that it says nothing of the class.
    assert [len(part) for part in batches.batch(0)[0]] == [4, 8]


@pytest.mark.parametrize("by_writer", [False, True])
def test_so_they_are_in_whatever_order_the_synthetic_samples_are(
    make_store: MakeStore, toy: RecogniserRecipe, by_writer: bool
) -> None:
    charset = Charset(tuple("一丨十口"))
    real = from_stores([make_store("real", labels="一丨")], AT_16, CPU)
    drawn = from_stores([make_store("drawn", seed=5)], AT_16, CPU)
    numbers = torch.arange(len(drawn.labels))
    # Simulated samples are written writer by writer, those of a generator class by class.
    labels = numbers % 4 if by_writer else numbers * 4 // len(numbers)
    drawn = replace(drawn, labels=labels, charset=charset)
    recipe = replace(toy, steps=60, batch=12, balanced=True, mixing=Mixing(fraction=0.5))
    batches = MixedBatches(replace(real, charset=charset), drawn, recipe, seed=3)
    labels = torch.cat([batches.batch(step)[1] for step in range(60)])
    assert torch.bincount(labels).tolist() == [180, 180, 180, 180]
    assert [len(part) for part in batches.batch(0)[0]] == [3, 9]


@pytest.mark.parametrize(("share", "synthetic"), [(0.0, True), (0.9, False)])
def test_without_synthetic_images_or_fraction_all_are_real(
    make_store: MakeStore, toy: RecogniserRecipe, share: float, synthetic: bool
) -> None:
    data = from_stores([make_store("real")], AT_16, CPU)
    other = from_stores([make_store("drawn", seed=5)], AT_16, CPU) if synthetic else None
    mixed = MixedBatches(data, other, replace(toy, mixing=Mixing(share)), seed=0)
    plain = MixedBatches(data, None, toy, seed=0)
    assert torch.equal(mixed.batch(2)[0][0], plain.batch(2)[0][0])


def test_pre_training_on_synthetic_images_alone(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    real, drawn = make_store("real", per_class=1), make_store("drawn", seed=5)
    trained = train_recogniser(
        from_stores([real], AT_16, CPU),
        replace(toy, mixing=Mixing(fraction=1.0, until=0.8)),
        synthetic=from_stores([drawn], AT_16, CPU),
        seed=0,
        device=CPU,
    )
    assert trained is not None
    assert trained.provenance["synthetic_pictures"] == 24
    unseen = make_store("test", seed=9)
    assert accuracy(trained.read(unseen.all_images()), unseen.labels) > 0.9


def test_synthetic_images_of_other_classes_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    real = from_stores([make_store("real")], AT_16, CPU)
    drawn = from_stores([make_store("drawn", labels="丨一十")], AT_16, CPU)
    with pytest.raises(CharsetError, match="of the real ones in the same order"):
        train_recogniser(real, toy, synthetic=drawn, seed=0, device=CPU)


@pytest.mark.parametrize("wrong", [{"fraction": 1.5}, {"fraction": -0.1}, {"until": 2.0}])
def test_fractions_outside_0_and_1_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        RecogniserRecipe(mixing=Mixing(**wrong))


def test_training_starts_from_pretrained_weights(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    first = train(from_stores([make_store("a")], AT_16, CPU), toy)
    other = from_stores([make_store("b", labels="甲乙丙")], AT_16, CPU)
    still = replace(toy, steps=1, lr=1e-9)
    trained = train_recogniser(other, still, init_from=first, seed=7, device=CPU)
    assert trained is not None
    old, new = first.network.state_dict(), trained.network.state_dict()
    last = f"{len(first.network) - 1}."
    for name in old:
        if "running" in name or "num_batches" in name:
            continue
        same = torch.allclose(old[name], new[name], atol=1e-6)
        assert same != name.startswith(last), name


def test_pretrained_weights_of_other_layers_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    data = from_stores([make_store("a")], AT_16, CPU)
    first = train(data, replace(toy, steps=1))
    with pytest.raises(InputError, match="other layers"):
        train_recogniser(
            data, replace(toy, hidden=toy.hidden * 2), init_from=first, seed=0, device=CPU
        )


def test_a_balanced_recipe_samples_every_class_equally_often(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real")
    few = from_stores([store], AT_16, CPU)
    labels = few.labels.clone()
    labels[labels == 2] = 1  # 8 of class 0, 16 of class 1
    data = replace(few, labels=labels)
    recipe = replace(toy, batch=8, balanced=True)
    drawn = torch.cat([MixedBatches(data, None, recipe, 0).batch(step)[1] for step in range(20)])
    assert torch.bincount(drawn).tolist() == [80, 80]


def test_images_have_a_multiple_of_the_size_if_the_store_does(
    make_store: MakeStore,
) -> None:
    recipe = RecogniserRecipe(size=16, oversample=2)
    for size, held in ((8, 8), (16, 16), (24, 24), (32, 32), (64, 32)):
        store = make_store(f"s{size}", size=size, per_class=1)
        assert from_stores([store], recipe, CPU).images.shape == (1, held, held)
    with pytest.raises(InputError, match="expected images of at least 8 pixels, found 7"):
        from_stores([make_store("small", size=7, per_class=1)], recipe, CPU)


def test_images_of_half_the_size_train_as_enlarged_ones(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    recipe = replace(toy, size=16, steps=2)
    trained = train(from_stores([make_store("half", size=8)], recipe, CPU), recipe)
    assert trained.read(make_store("test", size=8).all_images()).shape[1] == len(trained.charset)
    with pytest.raises(InputError, match="at least 1"):
        RecogniserRecipe(oversample=0)


def test_distorted_large_images_stay_sharp(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    generator = torch.Generator().manual_seed(0)
    bars = torch.zeros(64, 1, 64, 64)
    bars[..., (torch.arange(64) + 1) % 16 < 8] = 1.0  # edges amid the pixels of half the size
    shifts = replace(toy, augmentation=replace(NO_CHANGE, translate=0.02))
    sharp = augmented(bars, replace(shifts, size=32, oversample=2), generator)
    assert sharp.shape == (64, 1, 32, 32)
    halved = torch.nn.functional.avg_pool2d(bars, 2)
    soft = augmented(halved, replace(shifts, size=32), generator)
    clear = [(x[..., 4:-4] - 0.5).abs().mean() for x in (sharp, soft)]
    assert clear[0] > 1.05 * clear[1]


def test_small_images_are_enlarged_to_be_distorted(toy: RecogniserRecipe) -> None:
    x = torch.zeros(8, 1, 16, 16)
    x[..., 7:9] = 1.0
    wider = replace(toy, size=16, augmentation=replace(NO_CHANGE, stroke_width=0.03))
    fine, coarse = (
        augmented(x, replace(wider, oversample=n), torch.Generator().manual_seed(0)) for n in (2, 1)
    )
    assert fine.shape == coarse.shape == (8, 1, 16, 16)
    assert not torch.equal(fine, coarse)


def test_enlarging_alone_changes_little_and_stays_in_range(toy: RecogniserRecipe) -> None:
    x = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0)).round()
    x = torch.nn.functional.interpolate(x, scale_factor=4.0)
    recipe = replace(toy, size=16, oversample=2, augmentation=NO_CHANGE)
    back = augmented(x, recipe, torch.Generator())
    assert back.amin() >= 0
    assert back.amax() <= 1
    assert (back - x).abs().mean() < 0.1


def test_parts_of_different_sizes_make_one_batch(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    recipe = replace(toy, oversample=2, steps=2)
    real = from_stores([make_store("real", size=32)], recipe, CPU)
    drawn = from_stores([make_store("drawn", size=16, seed=5)], recipe, CPU)
    trained = train_recogniser(real, recipe, synthetic=drawn, seed=0, device=CPU)
    assert trained is not None
    assert trained.recipe.oversample == 2


def test_balanced_parts_of_a_batch_are_of_different_classes(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    data = from_stores([make_store("real")], AT_16, CPU)
    classes = replace(data, labels=torch.arange(24))
    recipe = replace(toy, batch=24, balanced=True)
    _, y = MixedBatches(classes, classes, recipe, 0).batch(0)
    assert y[:12].tolist() != y[12:].tolist()
    assert len(set(y.tolist())) > 14
