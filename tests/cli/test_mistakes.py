"""Typical mistakes of a new user, and the suggestions that hwgen prints."""

import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.store import StoreWriter
from hwgen_cli.__main__ import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store, something that looks like a run, zips and weights."""
    monkeypatch.chdir(tmp_path)
    for name, labels in (("train", "永"), ("digits", "01")):
        with StoreWriter(Path(name), size=8, recipe={}) as writer:
            blank = np.zeros((8, 8), np.uint8)
            writer.add(Record(blank, labels[0], writer="", source="", position=0))
            writer.finish(charset=Charset(tuple(labels)), origin={"kind": "gnt"})
    Path("first").mkdir()
    Path("first/run.json").write_text("{}")
    for file in ("half/manifest.json", "other/data.mdb", "stores/here/manifest.json"):
        Path(file).parent.mkdir(parents=True)
        shutil.copy(Path("train") / Path(file).name, file)
    Path("model").mkdir()
    Path("model/model.safetensors").touch()
    Path("reader.safetensors").touch()
    for name, member in (("HWDB.zip", "001-f.gnt"), ("ink.zip", "1001-c.pot")):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr(member, "no record")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("train trian --out x", "trian: no store here: there is no such .* Did you mean train?"),
        ("train first --out x", "first: no store here: it is a run, for hwgen synthesize"),
        ("train HWDB.zip --out x", "no store here: it is a zip, for hwgen prepare-gnt, "),
        ("synthesize train --out x", "train: no run here: it is a store, for hwgen train"),
        ("synthesize frist --out x", "frist: no run here: .* Did you mean first?"),
        ("inspect glyph-32", "glyph-32: no such file .* hwgen presets glyph-32"),
        ("train train --out x --preset glph-32", "no preset 'glph-32'. Did you mean glyph-32"),
        ("train train --out x --preset deform-32", "no preset .* Did you mean deformation-32"),
        ("train train --out x --loss lsgan-eq", "no loss 'lsgan-eq'. Did you mean lsgan-eq9"),
        ("train train --out x --set optimiser.lr_g=1", "Did you mean optimizer.lr_g"),
        ("train train --out x --set beta=3", "Did you mean optimizer.beta1 or optimizer.beta2"),
        ("train train --out x --set zdim=3", "Did you mean generator.z_dim"),
        ("train train --out x --device gpu", "unknown kind.*Give auto, cpu, cuda"),
        ("train train --out x --recogniser raeder.safetensors", "Did you mean reader.safetensors?"),
        ("train train --out x --recogniser first", "no recogniser here: it is a run"),
        ("presets paper_hwdb", "Did you mean paper-hwdb"),
        ("inspect HWBD.zip", "no such file or folder. Did you mean HWDB.zip?"),
        ("inspect half", "half.data.mdb: cannot be opened .*The copy may be incomplete"),
        ("inspect other", "other: no store here: manifest.json is missing beside data.mdb"),
        (
            "inspect stores",
            "no GNT file in this folder; it contains here .a st.* mean stores.here?",
        ),
        ("inspect train/data.mdb", "it is a file of train, which is a store.* mean train?"),
        ("train train/data.mdb --out x", "no store here: it is a file of train.* mean train?"),
        ("synthesize first/run.json --out x", "it is a file of first, .* mean first?"),
        ("train stores --out x", "it contains here .a store.* mean stores/here?"),
        ("inspect model/model.safetensors", "of model, which is an exported .* mean model?"),
        ("inspect reader.safetensors", "is not a GNT file: it is a file of weights"),
        ("report frist", "there is no such file or folder. Did you mean first?"),
        ("study make train frist --out x.html", "frist: is not a run.* Did you mean first?"),
        ("export train --format ocrlmdb --out x", "no format 'ocrlmdb'. Did you mean ocr-lmdb"),
        (
            "evaluate train --real train --out x --ocr-engine rapid",
            "unknown OCR engine 'rapid'. Did you mean",
        ),
        ("prepare-gnt ink.zip --out x", "no GNT file in this zip; it contains POT.* prepare-pot"),
        ("prepare-pot HWDB.zip --out x", "no POT file in this zip; it contains GNT.* prepare-gnt"),
        ("prepare-images ink.zip --out x", "no image in this zip; it contains POT"),
        ("prepare-gnt train --out x", "no GNT file in this folder; it is a store"),
        ("prepare-gnt HWDB.zip --out x --charset gb2312-l", "Did you mean gb2312-1?"),
        (
            "prepare-gnt HWDB.zip --out x --charset trian",
            "unknown charset 'trian'. Did you mean train?",
        ),
        (
            "prepare-gnt HWDB.zip --out x --charset fuond",
            "unknown charset 'fuond'. Did you mean found?",
        ),
        (
            "prepare-gnt HWDB.zip --out x --charset original",
            "no file or charset is called 'original'",
        ),
        ("prepare-gnt HWDB.zip --out x --charset first", "first: no store here: it is a run"),
        ("export digits -f gnt -o x --classes 01", "Give first:1 or characters:01"),
        ("simulate --out x --classes 99999", "from 1 to .* or the characters .*characters:99999"),
        (
            "benchmark --train train --test train --out x --recogniser-preset lihgt",
            "unknown recogniser preset 'lihgt'. Did you mean light?",
        ),
        (
            "lift --train train --test train --out x --arms clasical",
            "unknown arm 'clasical'. Did you mean classical",
        ),
        (
            "lift --train train --test train --out x --experiment rare --generator glyph32",
            "no preset 'glyph32'. Did you mean glyph-32",
        ),
    ],
)
@pytest.mark.usefixtures("place")
def test_near_names_are_suggested(
    typed: str, shown: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hwgen", *typed.split()])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert re.search(shown, err), err


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("prepare-gmt x --out y", "Did you mean prepare-gnt"),
        ("train x --out y --preste z", "Did you mean --preset"),
        ("generate x", "Did you mean synthesize?"),
        ("fit x", "Did you mean train?"),
        ("info x", "Did you mean inspect or doctor?"),
        ("quux x", "Known: prepare-gnt, "),
        ("synthesize x --out y --chars 永", "Did you mean --classes?"),
        ("synthesize x --out y -n 5", "Did you mean --per-class or --count?"),
        ("train x --out y --batch-size 8", "Did you mean --batch?"),
        ("train x --out y --resume", "No such option: --resume. Rerun the command without it"),
        ("lift --epochs 8", "Did you mean --steps or --generator-images?"),
        ("lift --train x --init-form y", "Did you mean --init-from?"),
        ("doctor --qqqq", "No such option: --qqqq. "),
        ("study --qqqq", "--qqqq"),
        ("export train --out x", "'--format' / '-f'. Choose from ocr-lmdb, folder, paddle"),
        ("lines --corpus x -f gnt --out x", "Missing option '--from'."),
        ("lines --from train --corpus x --out x", "Choose from ocr-lmdb, paddle, webdataset"),
    ],
)
def test_near_commands_and_options_are_suggested(
    typed: str, shown: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["hwgen", *typed.split()])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert shown in capfd.readouterr().err
