import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import HwgenError, InputError, RecipeChangedError, RunError
from hwgen.exports import staging
from hwgen.exports.models import export_curves, export_model
from hwgen.exports.models.onnx_graph import write_onnx
from hwgen.exports.staging import locked
from hwgen.generators.deformation.recipe import DeformationRecipe
from hwgen.generators.deformation.sampling import DeformationSampler
from hwgen.generators.deformation.training import train_deformation
from hwgen.generators.gan.networks import build_generator
from hwgen.generators.gan.presets import Recipe, change, preset
from hwgen.generators.gan.sampling import Sampler, noise
from hwgen.runs import Run
from hwgen.runs.models import FILE, model_of_run, read_model, write_model
from hwgen.store import Store
from hwgen.synthesis.synthesize import synthesize

IDS = np.repeat(np.arange(3), 4)
INDICES = np.tile(np.arange(4), 3)


def test_a_model_alone_gives_the_samples_of_the_run(run: Run, tmp_path: Path) -> None:
    for snapshot, name in (("last", "a"), ("4", "b"), ("best", "c")):
        export_model(run, tmp_path / name, snapshot=snapshot)
        ours = Sampler.load(run, snapshot, "cpu")
        theirs = Sampler.load(tmp_path / name, device="cpu")
        assert np.array_equal(ours.sample(IDS, INDICES), theirs.sample(IDS, INDICES))
        assert (theirs.provenance, theirs.data) == (ours.provenance, ours.data)
        assert theirs.charset == run.charset
    assert read_model(tmp_path / "b").snapshot_hash == read_model(tmp_path / "c").snapshot_hash
    a, b = (synthesize(Sampler.load(p, device="cpu"), tmp_path / f"{n}.store", per_class=2)
            for n, p in enumerate((run.path, tmp_path / "a")))  # fmt: skip
    assert a is not None
    assert b is not None
    assert a.manifest.content_sha256 == b.manifest.content_sha256
    assert a.manifest.origin == b.manifest.origin


def recipe_of(kind: str) -> Recipe:
    """Toys of every kind of layer that a generator can have."""
    stages = (
        '[{"channels": 4, "kernel": 5, "stride": 2}, {"channels": %d, "kernel": 5, "stride": 1}]'
    )
    g, rest = {
        "authors": ({"hidden": 6, "label": "concat", "upsampling": "deconv", "norm": "batch"}, {}),
        "scene": ({"norm": "batch", "start_norm": "channel", "upsampling": "deconv"}, {}),
        "plain": ({"norm": "none", "z": "uniform"}, {}),
        "linear": ({"head": "linear", "norm": "conditional"}, {}),
        "colour": ({"stages": stages % 3}, {"channels": 3}),
        "unlabelled": ({}, {"conditional": False}),
        "sigmoid": ({"output": "sigmoid"}, {"pixels.paper": 1, "pixels.ink": 0}),
    }[kind]
    fields = {"stages": stages % 1, "start": [6, 4], "z_dim": 6, "label_dim": 5, **g}
    changes = {"size": 8, **rest, **{f"generator.{k}": v for k, v in fields.items()}}
    said = {k: v if isinstance(v, str) else json.dumps(v) for k, v in changes.items()}
    return change(preset("glyph-32"), said)


@pytest.mark.parametrize(
    "kind", ["authors", "scene", "plain", "linear", "colour", "unlabelled", "sigmoid"]
)
def test_onnxruntime_gives_the_same_images(kind: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    recipe = recipe_of(kind)
    torch.manual_seed(0)
    generator = build_generator(recipe, 3)
    for tensor in generator.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 0.5)  # statistics of batch norm too
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    sampler = Sampler(generator, recipe, Charset(("一", "丨", "十")), torch.device("cpu"), "run x")
    found = write_onnx(tmp_path / "m.onnx", sampler)
    assert found.most <= 1
    assert found.fraction < 0.01
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert [i.name for i in session.get_inputs()] == (
        ["z", "label"] if recipe.conditional else ["z"]
    )
    for count in (1, 5):
        z = noise(recipe.generator, 0, 0, count)
        label = np.arange(count) % len(sampler.charset)
        inputs = {"z": z, "label": label} if recipe.conditional else {"z": z}
        (image,) = session.run(None, inputs)
        want = sampler.from_noise(z, label)
        assert image.dtype == np.uint8
        assert image.shape == want.shape
        assert np.abs(image.astype(int) - want).max() <= 1
        assert want.std() > 5  # not all the same
    props = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(props["charset"]) == list(sampler.charset)


def test_a_graph_with_other_images_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    sampler = Sampler.load(run, device="cpu")
    from_noise = sampler.from_noise
    monkeypatch.setattr(sampler, "from_noise", lambda z, y: 255 - from_noise(z, y))
    with pytest.raises(RunError, match="onnxruntime gives other images than torch"):
        write_onnx(tmp_path / "m.onnx", sampler)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_missing_onnx_packages_name_the_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(InputError, match=r"pip install 'onnx>="):
        export_model(run, tmp_path / "out", onnx=True)
    assert not (tmp_path / "out").exists()
    export_model(run, tmp_path / "out")  # what was begun is no hindrance


def test_missing_tensorboard_names_the_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'tensorboard>="):
        export_curves(run, tmp_path / "out")


def test_an_exported_deformation_model_works(toy_store: Store, tmp_path: Path) -> None:
    recipe = DeformationRecipe(size=16, grid=4, z_dim=4, width=4, batch=4, steps=2)
    trained = train_deformation(toy_store, tmp_path / "run", recipe, device="cpu")
    assert trained is not None
    run, out = Run(tmp_path / "run"), tmp_path / "out"
    export_model(run, out)
    ours, theirs = (DeformationSampler.load(at, toy_store, "cpu") for at in (run, out))
    assert ours.provenance == theirs.provenance
    assert np.array_equal(ours.sample(IDS, INDICES), theirs.sample(IDS, INDICES))
    assert not (out / "samples.png").exists()
    text = (out / "README.md").read_text("utf-8")
    assert "--real STORE" in text
    assert "Nothing yet." in text
    with pytest.raises(RunError, match="of kind 'deformation', expected a GAN"):
        Sampler.load(out)
    with pytest.raises(InputError, match="cannot be exported as ONNX"):
        export_model(run, tmp_path / "other", onnx=True)
    with pytest.raises(RunError, match="has no snapshot '2'"):
        export_model(run, tmp_path / "other", snapshot="2")


def test_a_gan_does_not_bend(run: Run, toy_store: Store, tmp_path: Path) -> None:
    export_model(run, tmp_path / "out")
    with pytest.raises(RunError, match="of kind 'gan', expected a deformation model"):
        DeformationSampler.load(tmp_path / "out", toy_store)


def test_the_same_export_is_reused_and_another_needs_overwrite(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_model(run, out)
    (out / "README.md").write_text("mine")
    export_model(run, out)
    assert (out / "README.md").read_text() == "mine"
    with pytest.raises(InputError, match="images: 8 -> 4"):
        export_model(run, out, snapshot="4")
    export_model(run, out, snapshot="4", overwrite=True)
    assert read_model(out).images == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_directories_are_not_replaced(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "mine").touch()
    with pytest.raises(InputError, match=r"out\.partial is in the way.*Move it"):
        export_model(run, out, overwrite=True)
    (partial / "mine").rename(partial / staging.FILE)
    (partial / staging.FILE).write_text('{"recipe": {"format": "gnt"}}')
    with pytest.raises(RecipeChangedError, match="format: gnt -> model"):
        export_model(run, out)
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(InputError, match="already exists and is not an export"):
        export_model(run, out, overwrite=True)
    (out / "mine").unlink()
    export_model(run, out, overwrite=True)
    assert read_model(out).run == run.id
    with locked(out), pytest.raises(InputError, match="another process"):
        export_model(run, out)


def rewritten(folder: Path, **changes: str) -> None:
    tensors, texts = load_tensors(folder / FILE)
    save_tensors(folder / FILE, tensors, {**texts, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "hwgen-run"}, "format 'hwgen-run'"),
        ({"format_version": "2"}, "version '2'"),
        ({"recipe": "["}, r"can read \(Expecting value"),
        ({"recipe": "[]"}, "should be objects"),
        ({"origin": "[]"}, "should be objects"),
        ({"charset": '["一", "一", "十"]'}, r"can read \(.一. occurs twice"),
        ({"charset": "[1, 2, 3]"}, "expected text as a label"),
        ({"charset": '["一"]'}, r"g.label_map.weight is \[3, 5\] in the file, \[1, 5\] in"),
        ({"images": "many"}, r"can read \(.*many"),
        (
            {"charset": json.dumps(["一", "\udcff"] * 100_000)},
            r"can read \(a string has a lone surrogate",
        ),
        ({"kind": "reader"}, "of kind 'reader', expected a GAN"),
    ],
)
def test_untrusted_models_are_refused_with_a_reason(
    run: Run, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    write_model(tmp_path, model_of_run(run, run.snapshots()[-1]))
    rewritten(tmp_path, **changes)
    with pytest.raises(RunError, match=said):
        Sampler.load(tmp_path)


def test_a_recipe_cannot_require_more_than_the_file_has(run: Run, tmp_path: Path) -> None:
    write_model(tmp_path, model_of_run(run, run.snapshots()[-1]))
    for field, value in (("z_dim", 1 << 16), ("z_dim", 1 << 40), ("hidden", 1 << 16)):
        recipe = {**run.recipe, "generator": {**run.recipe["generator"], field: value}}
        rewritten(tmp_path, recipe=json.dumps(recipe))
        with pytest.raises(HwgenError):
            Sampler.load(tmp_path)
    (tmp_path / FILE).write_bytes(b"\x80\x04.")  # a pickle
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        Sampler.load(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(RunError, match="no model here"):
        read_model(tmp_path)


def test_a_model_has_one_snapshot(run: Run, tmp_path: Path) -> None:
    export_model(run, tmp_path / "out")
    with pytest.raises(InputError, match="no snapshot 'best' but its only one"):
        Sampler.load(tmp_path / "out", "best")


def test_tensorboard_reads_curves_and_grids(run: Run, tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    out = tmp_path / "out"
    count = export_curves(run, out)
    assert {path.name for path in out.iterdir()} == {
        ".export.json",
        "events.out.tfevents.hwgen",
    }
    read = accumulator(str(out), size_guidance={"images": 0, "scalars": 0}).Reload()
    tags = read.Tags()
    log = run.read_log()
    assert {"loss_d", "purity", "deviation"} <= set(tags["scalars"])
    assert tags["images"] == ["grid"]
    for name in tags["scalars"]:
        want = [(e["images"], e[name]) for e in log if name in e]
        found = [(event.step, event.value) for event in read.Scalars(name)]
        assert [step for step, _ in found] == [step for step, _ in want]
        assert np.allclose([v for _, v in found], [v for _, v in want])
    grids = read.Images("grid")
    assert [event.step for event in grids] == [4, 8]
    assert count == sum(len(read.Scalars(name)) for name in tags["scalars"]) + len(grids)
    with PilImage.open(run.grids / "000000008.png") as grid:
        assert (grids[-1].width, grids[-1].height) == grid.size
    seconds = [e["seconds"] for e in log if "seconds" in e]
    assert read.Scalars("loss_d")[-1].wall_time == pytest.approx(seconds[-1])
    assert export_curves(run, out) == count


def test_a_run_without_a_log_has_no_curves(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    bare = tmp_path / "run"
    bare.mkdir()
    (bare / "run.json").write_bytes((run.path / "run.json").read_bytes())
    with pytest.raises(RunError, match="the log is empty"):
        export_curves(Run(bare), tmp_path / "out")
    with pytest.raises(RunError, match="no snapshot yet"):
        export_model(Run(bare), tmp_path / "out")
