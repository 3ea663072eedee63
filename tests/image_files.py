"""Small images in every format that `hwgen prepare-images` reads, as tests write them."""

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image as PilImage


def photo(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    """Noise in colour."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(folder: Path, path: Path) -> Path:
    """A zip of a folder, its own name included, as people make them."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent).as_posix())
    return path


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">I{values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def write_photos(tmp_path: Path) -> Path:
    """`photos/cat/0.png 1.png`, `photos/dog/0.jpg`, `photos/dog/0.txt`, and clutter."""
    folder = tmp_path / "photos"
    put(folder / "cat" / "1.png", encoded(photo(1)))
    put(folder / "cat" / "0.png", encoded(photo(0, 20, 10)))
    put(folder / "dog" / "0.JPG", encoded(photo(2), "JPEG"))
    put(folder / "dog" / "0.txt", b"notes")
    put(folder / "dog" / "._0.JPG", b"clutter")
    put(folder / ".git" / "x" / "0.png", b"clutter")
    put(folder / "__MACOSX" / "dog" / "0.png", b"clutter")
    return folder


def write_digits(tmp_path: Path) -> Path:
    """`digits/train-images-idx3-ubyte.gz` of five 4x6 images of 3, 1, 4, 1, 5; and labels."""
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), np.uint8)
    labels = np.array([3, 1, 4, 1, 5], np.uint8)
    folder = tmp_path / "digits"
    put(folder / "train-images-idx3-ubyte.gz", gzip.compress(idx(images)))
    put(folder / "train-labels-idx1-ubyte", idx(labels))
    return folder


def write_lsun(folder: Path, values: list[bytes] | int) -> Path:
    """An LMDB folder as LSUN's are, of so many JPEGs or of the values given."""
    if isinstance(values, int):
        values = [encoded(photo(n), "JPEG", quality=75) for n in range(values)]
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for n, value in enumerate(values):
            key = f"{(n * 7919 + 11) % 1000:040x}"  # not in the order of writing
            txn.put(key.encode(), value)
    return folder


def write_batches(tmp_path: Path) -> Path:
    """`cifar-10-batches-py`: a data batch of 12 images, a test batch of 3, and the names."""
    folder = tmp_path / "cifar-10-batches-py"
    rng = np.random.default_rng(5)
    for name, count in (("data_batch_1", 12), ("test_batch", 3)):
        data = rng.integers(0, 256, (count, 3072), np.uint8)
        labels = rng.integers(0, 10, count).tolist()
        put(folder / name, pickle.dumps({"data": data, "labels": labels}, protocol=2))
    names = ["airplane", "automobile", "bird", "cat", "deer"]
    names += ["dog", "frog", "horse", "ship", "truck"]
    put(folder / "batches.meta", pickle.dumps({"label_names": names}, protocol=2))
    return folder


def write_classes(root: Path, *paths: str) -> Path:
    """Different images at these paths below a folder."""
    for number, path in enumerate(paths):
        put(root / path, encoded(photo(number)))
    return root
