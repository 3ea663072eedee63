import json
import re
import shutil
from dataclasses import replace
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
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.runs.models import FILE, model_of_run, read_model, write_model
from hwgen.sources.strokes.drawn_labels import draw_labels
from hwgen.store import Store, StoreWriter
from hwgen.synthesis.synthesize import synthesize

IDS = np.repeat(np.arange(3), 4)
INDICES = np.tile(np.arange(4), 3)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Bit by bit."""


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = replace(toy_recipe, images=8, every=4)
    made = train(toy_store, tmp_path_factory.mktemp("model") / "run", recipe, device="cpu")
    made.log({"images": 4, "purity": 0.5, "diversity": 0.9, "recogniser": "0123456789abcdef"})
    return made


def unlabelled(store: Store, recipe: Recipe, out: Path) -> Run:
    return train(store, out, replace(recipe, images=8, every=8, conditional=False), device="cpu")


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


def test_all_files_and_the_card(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "my model"
    model = export_model(run, out, snapshot="4")
    assert {path.name for path in out.iterdir()} == {
        ".export.json", "README.md", "charset.json", "model.safetensors", "samples.png"
    }  # fmt: skip
    assert json.loads((out / ".export.json").read_text("utf-8"))["files"] == [
        "README.md", "charset.json", "model.safetensors", "samples.png"
    ]  # fmt: skip
    assert json.loads((out / "charset.json").read_text("utf-8")) == ["一", "丨", "十"]
    with PilImage.open(out / "samples.png") as sheet:
        labels = draw_labels(["一", "丨", "十"], 8)
        edge = labels.shape[2] + 2
        assert sheet.size == (edge + 12 * 10 + 2, 3 * 10 + 2)
        np.testing.assert_array_equal(np.asarray(sheet)[2:10, 2:edge], labels[0])
        first = np.asarray(sheet)[2:10, edge + 2 : edge + 10]
    drawn = Sampler.load(out, device="cpu").sample([0], [0])[0]
    assert np.array_equal(first, drawn)
    text = (out / "README.md").read_text("utf-8")
    header = text.split("---\n")[1]
    assert "license: other\n" in header
    assert "pipeline_tag: text-to-image\n" in header
    assert "- handwritten-chinese\n" in header
    for said in (
        "| fraction read as its label (purity) | 0.500 |", "recogniser `0123456789abcdef`",
        "一 丨 十",
        f"`{run.data['content_sha256']}`", "records: 30", "4 of 8 images", "device cpu",
        f"`{model.snapshot_hash}`", "research only", '"z_dim": 6',
    ):  # fmt: skip
        assert said in text
    assert "onnx" not in text
    assert str(tmp_path) not in text
    kept = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    assert kept == run.recipe


def test_the_card_has_the_origin_of_the_data(
    toy_recipe: Recipe, toy_store: Store, tmp_path: Path
) -> None:
    origin = {
        "kind": "gnt",
        "files": [{"name": f"home/{n:02d}.gnt", "bytes": 1} for n in range(30)],
        "framing": {"size": 8, "stretch": True},
    }
    with StoreWriter(tmp_path / "store", size=toy_store.size, recipe={}) as writer:
        for number in range(len(toy_store)):
            writer.add(toy_store.record(number))
        store = writer.finish(charset=toy_store.charset, origin=origin)
    made = train(store, tmp_path / "run", replace(toy_recipe, images=8, every=8), device="cpu")
    model = export_model(made, tmp_path / "out")
    assert model.origin == read_model(tmp_path / "out").origin == made.origin
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "- origin of the records: scans in GNT files\n" in text
    assert "- files and class folders: 30: `00.gnt`, `01.gnt`," in text
    assert "`11.gnt`, …\n" in text
    assert "- framing: size 8; stretch True\n" in text
    assert "home" not in text


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({}, "origin of the records: not known"),
        ({"kind": "ink"}, "real pen trajectories in POT files, rendered"),
        ({"kind": "synthetic", "provenance": "run x"}, "- provenance: run x"),
        ({"kind": "images", "synthetic": True}, "some of them are synthetic"),
        ({"kind": "gnt", "simulated": True}, "some of them are simulated"),
        ({"kind": "gnt", "notice": "Of\n<A>"}, "- Of &lt;A&gt;\n"),
        ({"kind": "subset", "of_origin": {"kind": "gnt"}}, "a subset of a store\n- origin"),
        ({"kind": ["|"], "files": ["a`\n|", 7]}, "`a \\|`, `7`"),
        ({"framing": {"size": "9" * 999}}, "- framing: size 99"),
    ],
)
def test_untrusted_origins_stay_in_their_lines(
    run: Run, tmp_path: Path, origin: dict[str, object], said: str
) -> None:
    info = json.loads((run.path / "run.json").read_text("utf-8"))
    shutil.copytree(run.path, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps({**info, "origin": origin}))
    export_model(Run(tmp_path / "run"), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    data = text.partition("## Data\n\n")[2].partition("\n## ")[0]
    assert said in data
    assert all(line.startswith("- ") and len(line) < 300 for line in data.strip().splitlines())


def test_older_runs_and_models_without_an_origin(run: Run, tmp_path: Path) -> None:
    info = json.loads((run.path / "run.json").read_text("utf-8"))
    del info["origin"]
    shutil.copytree(run.path, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps(info))
    old = Run(tmp_path / "run")
    assert old.origin == {}
    export_model(old, tmp_path / "out")
    tensors, texts = load_tensors(tmp_path / "out" / FILE)
    del texts["origin"]
    save_tensors(tmp_path / "out" / FILE, tensors, texts)
    assert read_model(tmp_path / "out").origin == {}
    assert Sampler.load(tmp_path / "out", device="cpu").sample([0], [0]).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("licence", "header", "said"),
    [
        ("", "license: other\nlicense_name: terms-of-the-training-data\n", "hwgen itself"),
        ("CC-BY-4.0 ", "license: cc-by-4.0\n", "under **cc-by-4.0**"),
        ('Ours: "a" & b', 'license: other\nlicense_name: "Ours: \\"a\\" & b"\n', "&amp; b**"),
    ],
)
def test_the_card_has_the_given_licence(
    run: Run, tmp_path: Path, licence: str, header: str, said: str
) -> None:
    export_model(run, tmp_path / "out", licence=licence)
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert text.startswith(f"---\n{header}")
    section = text.partition("## Licence\n\n")[2]
    assert said in section
    assert "research only" in section
    with pytest.raises(InputError, match=r"licence: .* -> mit"):
        export_model(run, tmp_path / "out", licence="mit")


@pytest.mark.parametrize("licence", [" ", "a\nb", "x" * 201, "\x1b[0m"])
def test_a_licence_is_one_line(run: Run, tmp_path: Path, licence: str) -> None:
    with pytest.raises(InputError, match="a licence must be one printable line"):
        export_model(run, tmp_path / "out", licence=licence)


def test_the_examples_of_the_card_work(
    run: Run, toy_store: Store, toy_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    without = unlabelled(toy_store, toy_recipe, tmp_path / "unlabelled")
    for made, name in ((run, "with"), (without, "without")):
        export_model(made, Path(name), onnx=True)
        text = Path(name, "README.md").read_text("utf-8")
        drawing, running = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        ours: dict[str, np.ndarray] = {}
        exec(drawing, ours)
        assert ours["images"].shape[1:] == (8, 8)
        exec(running, ours)
        want = Sampler.load(made, device="cpu").sample(np.zeros(8, int), np.arange(8))
        assert np.abs(ours["images"].astype(int) - want).max() <= 1
    text = Path("without/README.md").read_text("utf-8")
    assert "pipeline_tag: unconditional-image-generation" in text
    assert "trained without labels" in text


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
