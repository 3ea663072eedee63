import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from benchmarks import readers
from hwgen.exports import export_store
from hwgen.record import Record
from hwgen.store import Store, StoreWriter

# What both readers do: read `num-samples`, and a label and an image for each number from 1.
DATASET = """
import io, lmdb
from PIL import Image

class LmdbDataset:
    def __init__(self, root, option=None, **options):
        self.env = lmdb.open(root, readonly=True, lock=False)
        self.mode = "L" if option and not option.rgb else "RGB"
    def __len__(self):
        with self.env.begin() as txn:
            return int(txn.get(b"num-samples"))
    def __getitem__(self, index):
        with self.env.begin() as txn:
            image = txn.get(b"image-%09d" % (index + 1))
            label = txn.get(b"label-%09d" % (index + 1)).decode()
        return Image.open(io.BytesIO(image)).convert(self.mode), label
    def __del__(self):
        self.env.close()

def build_tree_dataset(root, **options):
    return LmdbDataset(str(root), **options)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "store", size=6, recipe={}) as writer:
        for n in range(5):
            image = rng.integers(0, 255, (6, 6), dtype=np.uint8)
            writer.add(Record(image, "永一"[n % 2], "", "x", n))
        return writer.finish(origin={"kind": "gnt"})


def items(store: Store) -> list[tuple[PilImage.Image, str]]:
    records = [store.record(number) for number in range(len(store))]
    return [(PilImage.fromarray(record.image), record.label) for record in records]


def test_every_pixel_and_label_is_compared(store: Store) -> None:
    same = items(store)
    assert readers.compare(same, store) == readers.Comparison(5, 0, 0)
    colour = [(image.convert("RGB"), label) for image, label in same]
    assert readers.compare(colour, store) == readers.Comparison(5, 0, 0)
    assert readers.compare(same[:4], store) == readers.Comparison(4, 0, 0)
    other = np.array(same[3][0])
    other[2, 4] += 1
    odd = [*same[:2], (same[2][0], "?"), (PilImage.fromarray(other), "一"), same[4]]
    assert readers.compare(odd, store) == readers.Comparison(5, 1, 1)
    small = [*same[:4], (same[4][0].resize((3, 3)), same[4][1])]
    assert readers.compare(small, store) == readers.Comparison(5, 0, 36)


def test_the_table_names_reader_and_commit(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export_store(store, "ocr-lmdb", tmp_path / "out")
    checkouts = {"parseq": "strhub/data/dataset.py", "clovaai": "dataset.py"}
    for name, file in checkouts.items():
        place = tmp_path / name / file
        place.parent.mkdir(parents=True)
        place.write_text(DATASET)
        for words in (["init"], ["add", "."], ["commit", "-m", "x"]):
            who = ["-c", "user.name=x", "-c", "user.email=x"]
            command = ["git", "-C", str(tmp_path / name), *who, *words]
            subprocess.run(command, check=True, capture_output=True)
    for module in ("strhub", "strhub.data", "strhub.data.dataset", "dataset"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    given = [str(store.path), str(tmp_path / "out")]
    for name in checkouts:
        given += [f"--{name}", str(tmp_path / name)]
    with pytest.raises(SystemExit) as leaving:
        readers.main(given)
    assert leaving.value.code == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("| 5 | 0 | 0 |")]
    assert [row.split(" | ")[2] for row in rows] == [
        "LmdbDataset", "build_tree_dataset", "LmdbDataset, grey", "LmdbDataset, RGB"
    ]  # fmt: skip
