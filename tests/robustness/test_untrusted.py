"""Untrusted runs, recipes and recognisers: refused with a reason, before memory is allocated."""

import json
import math
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.charset import MAX_CLASSES, MAX_LABEL_LENGTH, Charset
from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import CharsetError, HwgenError, InputError, RunError
from hwgen.generators.adversarial.checkpoint import save_weights
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.gan.estimate import count_parameters
from hwgen.generators.gan.networks import build_generator
from hwgen.generators.gan.presets import PRESETS, Recipe, change, preset, recipe_to_json
from hwgen.generators.gan.sampling import Sampler
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.runs import Run, begin_or_continue
from hwgen.runs.snapshots import best_scores, find_snapshot
from hwgen.schema import from_json

CHARSET = Charset(tuple("一丁七"))


@pytest.fixture
def run(tmp_path: Path, toy_recipe: Recipe) -> Run:
    """A run with one snapshot."""
    run = begin_or_continue(
        tmp_path / "run",
        kind="gan",
        recipe=recipe_to_json(toy_recipe),
        seed=0,
        charset=CHARSET,
        data={},
    )
    save_weights(run, build_generator(toy_recipe, 3), toy_recipe, 20)
    return run


@pytest.fixture
def little_memory() -> Iterator[None]:
    """At most 256 MiB more than the process has mapped."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + (256 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def edit(run: Run, change: Callable[[dict[str, Any]], None]) -> Path:
    file = run.path / "run.json"
    info = json.loads(file.read_text(encoding="utf-8"))
    change(info)
    file.write_text(json.dumps(info), encoding="utf-8")
    return run.path


def put(*places: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Change a value in run.json."""

    def change(info: Any) -> None:
        for place in places[:-1]:
            info = info[place]
        info[places[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("recipe", "generator", "z_dim", value=10**9), "z_dim .* at most 65,536"),
        (put("recipe", "generator", "label_dim", value=10**9), "at most 65,536"),
        (put("recipe", "generator", "start", 0, value=10**9), "at most 65,536"),
        (put("recipe", "generator", "stages", 0, "channels", value=10**9), "at most 65,536"),
        (put("recipe", "generator", "stages", 0, "kernel", value=10**9), "kernels and strides 64"),
        (put("recipe", "discriminator", "hidden", value=10**9), "at most 65,536"),
        (put("recipe", "size", value=10**9), "sizes must be at most 4,096"),
        (put("recipe", "generator", "z_dim", value=10**30), "an integer of 31 digits"),
        (put("recipe", "r1_gamma", value=math.nan), "finite number below"),
        (put("recipe", "r1_gamma", value=math.inf), "finite number below"),
        # Within the bounds but a hundred GB: the file has no such tensors.
        (put("recipe", "generator", "start", value=[60_000, 4]), "does not fit its recipe"),
        (put("recipe", "generator", "z_dim", value=60_000), "does not fit its recipe"),
        (put("charset", value=[str(n) for n in range(200_000)]), r"label_map.weight is \[3, 5\]"),
        (put("charset", value=[str(n) for n in range(300_000)]), "found 300,000"),
        (put("charset", value=["一", "丁", "x" * 257]), "found one of 257"),
        (put("charset", value=["一", "丁", ["七"]]), r"charset\[2\] should be str"),
        (put("charset", value=7), "charset should be a list"),
        (put("recipe", value=[]), "recipe should be an object"),
        (put("data", value=[]), "data should be an object"),
        (put("id", value=5), "id should be str"),
        (put("more", value=5), "unknown fields"),
    ],
)
def test_an_impossible_run_is_refused(
    run: Run, little_memory: None, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = edit(run, change)
    with pytest.raises((RunError, InputError), match=message):
        Sampler.load(path, device="cpu")


def test_too_many_stages_are_refused(toy_recipe: Recipe) -> None:
    stage = {"channels": 1, "kernel": 3, "stride": 1}
    for part in ("generator", "discriminator"):
        with pytest.raises(InputError, match="at most 32 stages"):
            change(toy_recipe, {f"{part}.stages": json.dumps([stage] * 100_000)})


def test_the_bounds_of_recipes_are_far_from_the_presets() -> None:
    for recipe in PRESETS.values():
        g, d = count_parameters(recipe, 27_000)
        assert max(g, d) < 10**9
        assert max(recipe.generator.z_dim, recipe.discriminator.hidden) * 16 <= 1 << 16


def test_weights_of_another_preset_are_refused(run: Run, toy_recipe: Recipe) -> None:
    other = change(toy_recipe, {"generator.z_dim": "7"})
    save_weights(run, build_generator(other, 3), other, 20)
    with pytest.raises(RunError, match=r"000000020\.safetensors: does not fit its recipe: g\."):
        Sampler.load(run, device="cpu")


def test_weights_of_other_types_are_converted(run: Run) -> None:
    file = run.weights(20)
    before = Sampler.load(run, device="cpu").sample([0, 1], [0, 0])
    tensors, texts = load_tensors(file)
    save_tensors(file, {name: tensor.double() for name, tensor in tensors.items()}, texts)
    after = Sampler.load(run, device="cpu").sample([0, 1], [0, 0])
    assert (before == after).all()


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "5",
        '{"purity": 1}',
        '{"images": "many", "purity": 1, "diversity": 1}',
        '{"images": 20, "purity": "all", "diversity": 1}',
        '{"images": 20, "purity": 1}',
        '{"images": 20, "purity": 1, "diversity": 1, "frechet_share": -1}',
        '{"images": 20, "purity": 1, "diversity": 1e999, "frechet_share": NaN}',
        '{"images": 20, "purity": 1, "diversity": ' + "9" * 400 + "}",
        '{"images": 20, "purity": "\\ud800"}',
        "[" * 100_000,
    ],
)
def test_invalid_lines_of_a_log_are_ignored(run: Run, line: str) -> None:
    log = run.path / "log.jsonl"
    log.write_text(line + "\n", encoding="utf-8")
    assert best_scores(run) == {}
    with pytest.raises(RunError, match="no snapshot was scored"):
        find_snapshot(run, "best")
    run.rewind_log(100)
    good = '{"images": 20, "purity": 0.5, "diversity": 0.5}'
    log.write_text(f"{line}\n{good}\n{line}", encoding="utf-8")
    assert best_scores(run) == {20: 0.25}
    run.rewind_log(0)
    assert run.read_log() == []


def recogniser(path: Path, **changes: Any) -> Path:
    """A file of a recogniser with some of its texts replaced."""
    recipe = RecogniserRecipe(size=16, widths=((4,), (8,)), hidden=8)
    Recogniser(RecogniserNetwork(recipe, 3), recipe, CHARSET).save(path)
    tensors, texts = load_tensors(path)
    plain = {name: json.loads(text) for name, text in texts.items()}
    for name, value in changes.items():
        plain[name] = {**plain[name], **value} if isinstance(value, dict) else value
    save_tensors(path, tensors, {name: json.dumps(value) for name, value in plain.items()})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": {"hidden": 10**9}}, "widths of 1 to 65,536"),
        ({"recipe": {"hidden": 0}}, "widths of 1 to 65,536"),
        ({"recipe": {"widths": [[10**9], [8]]}}, "widths of 1 to 65,536"),
        ({"recipe": {"widths": []}}, "the recogniser's layers are out of range"),
        ({"recipe": {"widths": [[4], []]}}, "at least one per stage"),
        ({"recipe": {"widths": [[4]] * 10_000}}, "at most 32 convolutions"),
        ({"recipe": {"grid": 10**9}}, "sizes of at most 4,096"),
        ({"recipe": {"dropout": 2.0}}, "a dropout between 0 and 1"),
        ({"recipe": {"hidden": 60_000}}, "does not fit its recipe"),
        ({"recipe": {"grid": 4000}}, "does not fit its recipe"),
        ({"charset": [str(n) for n in range(100_000)]}, "does not fit its recipe"),
        ({"charset": "一丁七"}, "charset should be a list"),
        ({"channels": 10**9}, "channels = 1000000000 is not one of 1, 3"),
        ({"provenance": 7}, "provenance should be an object"),
    ],
)
def test_an_impossible_recogniser_is_refused(
    tmp_path: Path, little_memory: None, changes: dict[str, Any], message: str
) -> None:
    path = recogniser(tmp_path / "r.safetensors", **changes)
    with pytest.raises(RunError, match=message):
        Recogniser.load(path, torch.device("cpu"))


def test_deformation_recipes_are_bounded_too() -> None:
    for wrong in ({"z_dim": 10**9}, {"width": 10**9}, {"size": 8000, "grid": 2000}):
        with pytest.raises(InputError, match="at most 4,096, its z_dim and width 65,536"):
            DeformationRecipe(**wrong)


def test_labels_are_valid_text() -> None:
    assert Charset(("x" * MAX_LABEL_LENGTH, "\0")).id("\0") == 1
    for wrong, message in (
        (("一", 5), "expected text as a label"),
        (("x" * (MAX_LABEL_LENGTH + 1),), "at most 256"),
        (("\udc80",), "lone surrogate"),
        ((None,), "an empty label"),
    ):
        with pytest.raises(CharsetError, match=message):
            Charset(wrong)  # type: ignore[arg-type]
    with pytest.raises(CharsetError, match="expected at most 262,144 classes, found 262,145"):
        Charset(tuple(map(str, range(MAX_CLASSES + 1))))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 10**30),
        (int, True),
        (float, math.nan),
        (float, -math.inf),
        (float, 10**400),
        (list[int], {"a": 1}),
        (list[int], [1, "2"]),
        (dict[str, int], [1]),
        (dict[str, int], {"a": "b"}),
        (tuple[int, int], [1]),
    ],
)
def test_values_of_the_wrong_type_are_named(kind: Any, value: Any) -> None:
    with pytest.raises(InputError, match=r"^field"):
        from_json(kind, value, "field")


def test_values_of_the_right_type_are_built() -> None:
    assert from_json(list[int], (1, 2), "") == [1, 2]
    assert from_json(dict[str, list[str]], {"a": ["b"]}, "") == {"a": ["b"]}
    assert from_json(dict[str, Any], {"a": [None, {}]}, "") == {"a": [None, {}]}
    assert from_json(float, -3, "") == -3.0


def test_a_model_of_another_machine_is_read(run: Run, tmp_path: Path) -> None:
    shutil.move(run.path, tmp_path / "手写 模型")
    images = Sampler.load(tmp_path / "手写 模型", device="cpu").sample_text("一丁")
    assert images.shape == (2, 8, 8)


def test_errors_about_untrusted_files_stay_short(run: Run) -> None:
    path = edit(run, put("recipe", "generator", "z", value="x" * 1_000_000))
    with pytest.raises(HwgenError) as caught:
        Sampler.load(path, device="cpu")
    assert len(str(caught.value)) < 2000


def test_presets_are_within_the_bounds() -> None:
    assert from_json(Recipe, recipe_to_json(preset("glyph-64")), "recipe") == preset("glyph-64")
