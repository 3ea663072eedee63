"""The card of an exported model: files, origin of the data, licence and examples."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import InputError
from hwgen.exports.models import export_model
from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.sampling import Sampler
from hwgen.generators.gan.training import train
from hwgen.runs import Run
from hwgen.runs.models import FILE, read_model
from hwgen.sources.strokes.drawn_labels import draw_labels
from hwgen.store import Store, StoreWriter


def unlabelled(store: Store, recipe: Recipe, out: Path) -> Run:
    return train(store, out, replace(recipe, images=8, every=8, conditional=False), device="cpu")


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
