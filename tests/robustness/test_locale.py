"""Every command with Chinese names and spaces in all paths, in locales without Chinese."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.record import Record
from hwgen.sources.gnt import write_gnt
from hwgen.sources.pot import encode_trajectory
from hwgen.store import Store, StoreWriter

# Runs hwgen commands one after the other in one process, so that torch is imported once. Arguments
# are decoded from the system's bytes, as in sys.argv.
DRIVER = """
import json, os, sys, traceback
from hwgen_cli.__main__ import main

failed = False
for command in json.loads(sys.stdin.buffer.read()):
    sys.argv = ["hwgen", *(os.fsdecode(word.encode()) for word in command)]
    try:
        main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code or 0
    except BaseException:
        traceback.print_exc()
        code = "a traceback"
    if code:
        failed = True
        print(f"{code} of {sys.argv}", file=sys.stderr, flush=True)
sys.exit(failed)
"""

ENVIRONMENT = {
    **os.environ,
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "200",
    "CUDA_VISIBLE_DEVICES": "",
}


def run(folder: Path, commands: list[list[str]], **environment: str) -> bytes:
    """The standard output of commands, which must all succeed."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(commands).encode(),
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
    )
    said = done.stderr.decode(errors="backslashreplace")
    assert done.returncode == 0, said
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with GNT files, image folders and a charset file under such names."""
    rng = np.random.default_rng(0)
    raw = tmp_path / "手写 数据"
    (raw / "图 片").mkdir(parents=True)
    pictures = rng.integers(0, 256, (24, 12, 9), np.uint8)
    write_gnt(raw / "第 一-f.gnt", [("一丁七"[n % 3], p) for n, p in enumerate(pictures)])
    for n, picture in enumerate(pictures):
        folder = raw / "图 片" / "一丁七"[n % 3]
        folder.mkdir(exist_ok=True)
        PilImage.fromarray(picture).save(folder / f"字 {n}.png")
    (raw / "字 表.txt").write_text("一丁七", encoding="utf-8")
    (raw / "墨.pot").write_bytes(encode_trajectory("一", [[(5, 5), (9, 9)]]))
    with StoreWriter(tmp_path / "作 者", size=8, recipe={}) as writer:
        writer.add(Record(np.zeros((8, 8), np.uint8), "一", "张 三𠀀", "文 件", 0))
        writer.finish(charset=Charset(("一", "丁")), origin={"kind": "gnt"})
    return tmp_path


COMMANDS = """
prepare-gnt '手写 数据' --out '真 字' --size 16 --charset '手写 数据/字 表.txt'
prepare-images '手写 数据/图 片' --out '图 字' --size 16 --grey --charset '手写 数据/字 表.txt'
prepare-pot '手写 数据/墨.pot' --out '墨 字' --charset 一丁
inspect '真 字' --sheet '图/真 字.png'
inspect '手写 数据/第 一-f.gnt' --sheet '图/原 字.png'

train '真 字' --out '训练/第 一' {gan}
inspect '训练/第 一' --sheet '图/训 练.png'
synthesize '训练/第 一' --out '合 成' --per-class 4 {also}

export '合 成' --format ocr-lmdb --out '出 口/ocr-lmdb 的'
export '合 成' --format folder --out '出 口/folder 的'
export '合 成' --format paddle --out '出 口/paddle 的'
export '合 成' --format gnt --out '出 口/gnt 的'
export '合 成' --format webdataset --out '出 口/webdataset 的'
export '合 成' --format parquet --out '出 口/parquet 的'
export '真 字' --format folder --out '出 口/两 半' --split train=0.5,test=0.5 --split-by record
export '作 者' --format gnt --out '出 口/作 者' --classes 一丁 --writers '张 三𠀀'
prepare-images '出 口/ocr-lmdb 的' --out '回/ocr-lmdb 的' --size 16 --grey
prepare-images '出 口/folder 的' --out '回/folder 的' --size 16 --grey
prepare-images '出 口/parquet 的' --out '回/parquet 的' --size 16 --grey
prepare-gnt '出 口/gnt 的' --out '回/gnt 的' --size 16 --margin 0

export-model '训练/第 一' --out '出 口/model 的' --onnx
export-curves '训练/第 一' --out '出 口/tensorboard 的'
inspect '出 口/model 的' --sheet '图/模 型.png'
synthesize '出 口/model 的' --out '再 合成' --per-class 2

benchmark --train '真 字' --test '图 字' --synthetic '合 成' --out '比 较' {judge} --seeds 1
synthesize '训练/第 一' --out '筛 过' --per-class 2 --recogniser {reader} --min-confidence 0
train '真 字' --out '训练/第 二' {gan} --recogniser {reader}
train '回/gnt 的' --out '训练/弯 的' --preset deformation-32 --set size=16 --set grid=4 {bend}
synthesize '训练/弯 的' --real '真 字' --out '弯 字' --per-class 2
evaluate '合 成' --real '真 字' --run '出 口/model 的' --out '评 估' --recogniser {reader} --size 16
export-model '训练/第 一' --out '出 口/评 过' --results '评 估'
lift --train '真 字' --test '图 字' --out '提 升' {judge} {lift} --generator '训练/弯 的'
report '训练/第 一' '比 较' '评 估' '提 升' '真 字' '合 成' --out '报 告.html'
study make '真 字' '合 成' --out '问 卷.html' --pairs 3 --controls 1 --question '哪个更真?'
"""
"""Every command that takes a path, and every kind of path."""

OPTIONS = {
    "also": "--png '图 们' --gnt '字 们' --sheet '图/合 成.png'",
    "bend": "--images 8 --batch 4",
    "judge": "--size 16 --steps 2 --recogniser-preset light",
    "lift": "--real-per-class 2 --trials 1 --arms classical,synthetic --synthetic-per-class 2 "
    "--plot '图/提 升.png'",
    "reader": "'比 较/recogniser-real-seed0.safetensors'",
}


def test_the_whole_chain(place: Path, toy_changes: dict[str, str]) -> None:
    changes = {**toy_changes, "size": "16", "generator.start": "[6, 8]", "images": "24"}
    gan = " ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in changes.items())
    lines = COMMANDS.format(gan=gan, **OPTIONS).split("\n")
    run(place, [shlex.split(line) for line in lines if line])
    real, drawn = Store(place / "真 字"), Store(place / "合 成")
    assert real.manifest.tables["sources"] == ["手写 数据/第 一-f.gnt"]
    assert (len(real), len(drawn), len(Store(place / "弯 字"))) == (24, 12, 6)
    for name in ("ocr-lmdb", "folder", "parquet", "gnt"):
        again = Store(place / "回" / f"{name} 的")
        order = np.argsort(again.labels, kind="stable")
        assert (again.all_images()[order] == drawn.all_images()).all(), name
    assert (place / "出 口" / "作 者" / "张 三𠀀.gnt").is_file()
    for file, text in {
        "出 口/model 的/README.md": "# model 的",
        "报 告.html": "Synthetic store 合 成",
        "问 卷.html": "哪个更真?",
        "问 卷.key.json": '"name": "真 字"',
        "评 估/evaluation.json": "真 字",
    }.items():
        assert text in (place / file).read_text(encoding="utf-8"), file
    for picture in ("真 字", "训 练", "模 型", "合 成", "提 升"):
        with PilImage.open(place / "图" / f"{picture}.png") as opened:
            opened.load()


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_output_is_readable_in_every_encoding(place: Path, encoding: str) -> None:
    said = run(place, [["inspect", "作 者"]], PYTHONIOENCODING=encoding).decode(encoding)
    assert ("作 者" if encoding == "gbk" else r"\u4f5c \u8005") in said
    told = run(place, [["inspect", "作 者", "--json"]], PYTHONIOENCODING=encoding)
    summary = json.loads(told.decode(encoding))
    assert (summary["path"], summary["writers"]["fewest"][0][0]) == ("作 者", "张 三𠀀")
