import base64
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.compute.devices import pick_device
from hwgen.data import average_down, to_images, to_tensor
from hwgen.errors import InputError, RunError, StoreError
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.runs import Run, begin_or_continue
from hwgen.store import Store
from hwgen.study.design import GAP, arrange
from hwgen.study.page import Study, write_study
from hwgen.study.votes import read_key

MakeStore = Callable[..., Store]
Data = Callable[[Path], dict[str, Any]]


def images_in(data: dict[str, Any]) -> list[np.ndarray]:
    found = []
    for uri in data["pictures"]:
        head, _, body = uri.partition(",")
        assert head == "data:image/png;base64"
        found.append(np.asarray(PilImage.open(io.BytesIO(base64.b64decode(body)))))
    return found


def bytes_by_label(store: Store) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for label, image in zip(store.labels, store.all_images(), strict=True):
        found.setdefault(store.charset[int(label)], set()).add(image.tobytes())
    return found


def test_the_key_has_the_side_of_a(
    study: Study, stores: tuple[Store, Store], page_data: Data
) -> None:
    data, key = page_data(study.page), read_key(study.key)
    light, dark = map(bytes_by_label, stores)
    shown = [image.tobytes() for image in images_in(data)]
    assert len(set(shown)) == len(shown) == 24
    assert [pair["id"] for pair in data["pairs"]] == list(key.pairs)
    for pair in data["pairs"]:
        left, right, label = shown[pair["left"]], shown[pair["right"]], pair["label"]
        answer = key.pairs[pair["id"]]
        assert answer.label == label
        a, b = (left, right) if answer.left == "a" else (right, left)
        assert a in light[label]
        assert b in dark[label]
    assert (key.a, key.b) == ("light", "dark")
    assert data["study"] == key.study == study.id


def test_controls_are_repeated_with_left_and_right_exchanged(study: Study, page_data: Data) -> None:
    data, key = page_data(study.page), read_key(study.key)
    shown = {pair["id"]: pair for pair in data["pairs"]}
    place = {name: i for i, name in enumerate(shown)}
    again = [pair for pair in key.pairs.values() if pair.repeats]
    assert len(again) == data["controls"] == study.controls == 4
    assert len(shown) == 16
    for pair in again:
        assert pair.repeats is not None
        before = key.pairs[pair.repeats]
        assert before.repeats is None
        assert {pair.left, before.left} == {"a", "b"}
        assert shown[pair.id]["left"] == shown[before.id]["right"]
        assert shown[pair.id]["right"] == shown[before.id]["left"]
        assert place[pair.id] - place[before.id] > 6  # half of the pairs are between them
    sides = Counter(pair.left for pair in key.pairs.values() if not pair.repeats)
    assert sides == {"a": 6, "b": 6}
    labels = Counter(pair.label for pair in key.pairs.values() if not pair.repeats)
    assert set(labels.values()) == {4}


def test_many_pairs_lie_between_a_pair_and_its_repetition() -> None:
    order = arrange(100, 80, np.random.default_rng(0))
    assert len(order) == 180
    first = {showing.pair: i for i, showing in enumerate(order) if not showing.repeats}
    between = [i - first[s.pair] - 1 for i, s in enumerate(order) if s.repeats]
    assert len(between) == 80
    assert min(between) >= GAP


def test_voters_cannot_see_the_key(study: Study, page_data: Data) -> None:
    text = study.page.read_text(encoding="utf-8")
    key = json.loads(study.key.read_text(encoding="utf-8"))
    data = page_data(study.page)
    for secret in ("light", "dark", key["salt"], key["a"]["fingerprint"], key["b"]["fingerprint"]):
        outside = text.replace("light dark", "").replace("color-scheme: dark", "")
        assert not re.search(rf"\b{secret}\b", outside), secret
    assert {name for pair in data["pairs"] for name in pair} == {"id", "left", "right", "label"}
    assert set(data) == {
        "format", "format_version", "votes_format", "study", "question", "size", "controls",
        "pairs", "pictures",
    }  # fmt: skip
    # The order of the images in the file does not reveal A and B either.
    brightness = [image.mean() > 125 for image in images_in(data)]
    assert 0 < sum(brightness[:12]) < 12


def test_the_page_loads_nothing(study: Study) -> None:
    text = study.page.read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data:; font-src data:; style-src 'sha256-" in text
    assert "unsafe" not in text
    text = re.sub(r"url\(data:font/ttf;base64,[^)]*\)", "", text)
    assert not re.search(r"https?:|url\(|@import|\bsrc=|\bhref=", text)


def test_the_same_arguments_give_the_same_study(
    study: Study, stores: tuple[Store, Store], tmp_path: Path
) -> None:
    light, dark = (store.path for store in stores)
    again = write_study(light, dark, tmp_path / "new" / "t.html", pairs=12, controls=4)
    assert again.key == tmp_path / "new" / "t.key.json"
    assert again.page.read_bytes() == study.page.read_bytes()
    assert again.key.read_bytes() == study.key.read_bytes()
    others = [
        write_study(light, dark, tmp_path / "0.html", pairs=12, controls=4, seed=1),
        write_study(light, dark, tmp_path / "1.html", pairs=12, controls=3),
        write_study(light, dark, tmp_path / "2.html", pairs=12, controls=4, question="Which?"),
        write_study(dark, light, tmp_path / "3.html", pairs=12, controls=4),
    ]
    assert len({study.id, *(other.id for other in others)}) == 5


def test_the_key_of_another_study_is_not_replaced(
    study: Study, stores: tuple[Store, Store]
) -> None:
    before = [file.read_bytes() for file in (study.page, study.key)]
    light, dark = (store.path for store in stores)
    with pytest.raises(InputError, match="the answer key of another study is already there"):
        write_study(light, dark, study.page, pairs=12, controls=4, seed=1)
    assert [file.read_bytes() for file in (study.page, study.key)] == before
    study.page.unlink()
    assert write_study(light, dark, study.page, pairs=12, controls=4).id == study.id
    study.key.unlink()
    assert write_study(light, dark, study.page, pairs=12, controls=4, seed=1).id != study.id


def test_a_question_is_text_not_markup(
    stores: tuple[Store, Store], tmp_path: Path, page_data: Data
) -> None:
    question = "</script><img src=x>?"
    made = write_study(*(s.path for s in stores), tmp_path / "s.html", pairs=2, controls=0,
                       question=question)  # fmt: skip
    assert page_data(made.page)["question"] == question
    assert "<img src=x>" not in made.page.read_text(encoding="utf-8")


def test_larger_images_are_averaged_down(
    make_store: MakeStore, tmp_path: Path, page_data: Data
) -> None:
    large, small = make_store("large", size=32), make_store("small", dark=True, kind="synthetic")
    made = write_study(large.path, small.path, tmp_path / "s.html", pairs=6, controls=0)
    data = page_data(made.page)
    assert made.size == data["size"] == 16
    assert made.holds_real
    tensor = to_tensor(large.all_images(), pick_device("cpu"))
    expected = {image.tobytes() for image in to_images(average_down(tensor, 16))}
    expected |= {image.tobytes() for image in small.all_images()}
    assert {image.tobytes() for image in images_in(data)} <= expected


def test_sets_without_labels_are_paired_at_random(
    make_store: MakeStore, stores: tuple[Store, Store], tmp_path: Path, page_data: Data
) -> None:
    plain = make_store("plain", labels=("*",), per_class=20)
    made = write_study(plain.path, stores[1].path, tmp_path / "s.html", pairs=20, controls=0)
    data = page_data(made.page)
    assert made.labels == 0
    assert {pair["label"] for pair in data["pairs"]} == {None}
    assert len(set(data["pictures"])) == 40


def test_colour_is_shown(make_store: MakeStore, tmp_path: Path, page_data: Data) -> None:
    a, b = (make_store(name, shape=(3,)) for name in ("red", "green"))
    made = write_study(a.path, b.path, tmp_path / "s.html", pairs=2, controls=0)
    assert images_in(page_data(made.page))[0].shape == (16, 16, 3)


@pytest.fixture(scope="module")
def runs(
    stores: tuple[Store, Store], toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> list[Run]:
    """One run with labels, one without."""
    recipe = replace(toy_recipe, images=8, every=8)
    folder = tmp_path_factory.mktemp("runs")
    return [
        train(stores[0], folder / name, changed, device="cpu", precision="fp32")
        for name, changed in (("with", recipe), ("without", replace(recipe, conditional=False)))
    ]


def test_a_run_is_sampled(
    runs: list[Run], stores: tuple[Store, Store], tmp_path: Path, page_data: Data
) -> None:
    out = tmp_path / "s.html"
    made = write_study(runs[0].path, stores[1].path, out, pairs=7, controls=0, seed=3)
    data, key = page_data(out), read_key(made.key)
    assert (made.size, made.labels) == (8, 3)
    shown = images_in(data)
    sampler = Sampler.load(runs[0], device="cpu")
    # The same as with synthesize: the first samples of each class.
    possible = {
        label: sampler.sample([i] * 3, range(3), seed=6).astype(int)
        for i, label in enumerate(sampler.charset)
    }
    for pair in data["pairs"]:
        mine = shown[pair["left" if key.pairs[pair["id"]].left == "a" else "right"]]
        apart = np.abs(possible[pair["label"]] - mine).max(axis=(1, 2))
        assert apart.min() <= 1  # rounding depends on the batch
    assert json.loads(made.key.read_text())["a"]["kind"] == "run"
    without = write_study(runs[1].path, runs[0].path, tmp_path / "t.html", pairs=5, controls=1)
    assert (without.labels, without.holds_real) == (0, False)


def test_sets_that_cannot_be_compared_are_refused(
    make_store: MakeStore, stores: tuple[Store, Store], runs: list[Run], tmp_path: Path
) -> None:
    light, dark = (store.path for store in stores)
    other = make_store("foreign", labels=("甲",)).path
    colour = make_store("colour", shape=(3,)).path
    (tmp_path / "empty").mkdir()
    charset = Charset(("一",))
    alien = begin_or_continue(
        tmp_path / "alien", kind="deformation", recipe={}, seed=0, charset=charset, data={}
    )
    out = tmp_path / "s.html"
    cases: list[tuple[Path, Path, Path, dict[str, int], str]] = [
        (light, light, out, {}, "light and light hold the same images"),
        (runs[0].path, runs[0].path, out, {}, "with and with hold the same images"),
        (light, colour, out, {}, "light is in grey and colour in colour"),
        (light, other, out, {}, "light and foreign have no class in common"),
        (light, dark, out, {}, "have images for 24 pairs, not for 100"),
        (light, dark, out, {"pairs": 24, "controls": 13}, "Give --controls 12 or less"),
        (light, dark, out, {"pairs": 4, "controls": -1}, "-1 controls do not fit"),
        (light, dark, tmp_path / "s.txt", {}, "must end in .html"),
        (light, tmp_path / "none", out, {}, "none: is not a run, a model or a store: "),
        (light, tmp_path / "empty", out, {}, "empty: is not a run, a model or a store"),
        (light, alien.path, out, {}, "is a deformation model; a study takes stores"),
    ]
    for a, b, page, options, text in cases:
        with pytest.raises(InputError, match=re.escape(text)):
            write_study(a, b, page, **options)
    assert not list(tmp_path.glob("*.html")) + list(tmp_path.glob("*.key.json"))


def test_unfinished_inputs_and_unwritable_outputs_are_refused(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    light, dark = (store.path for store in stores)
    charset = Charset(("一",))
    began = begin_or_continue(
        tmp_path / "began", kind="gan", recipe={}, seed=0, charset=charset, data={}
    )
    with pytest.raises(RunError):
        write_study(light, began.path, tmp_path / "s.html")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{}")
    with pytest.raises(StoreError):
        write_study(light, damaged, tmp_path / "s.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_study(light, dark, tmp_path / "file" / "s.html", pairs=4, controls=0)
