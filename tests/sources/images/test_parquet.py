import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.record import BadRecord
from hwgen.sources.images import parquet as parquet_module
from hwgen.sources.images.collection import EncodedImage
from hwgen.sources.images.decoding import decode
from hwgen.sources.images.find import find_images
from hwgen.sources.images.layout import Columns, Layout
from tests.image_files import encoded, photo, put

arrow: Any = pytest.importorskip("pyarrow")
files: Any = pytest.importorskip("pyarrow.parquet")


def write(path: Path, columns: dict[str, Any], features: Any = None) -> Path:
    table = arrow.table(columns)
    if features is not None:
        noted = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": noted})
    files.write_table(table, path)
    return path


def cells(count: int) -> list[dict[str, Any]]:
    return [{"bytes": encoded(photo(n)), "path": f"{n}.png"} for n in range(count)]


def told(path: Path) -> list[tuple[str, str, int]]:
    (found,) = find_images([path])
    items = []
    for item in found.items():
        assert isinstance(item, EncodedImage)
        np.testing.assert_array_equal(decode(item.read(), 3), photo(item.position))
        items.append((item.label, item.writer, item.position))
    return items


def test_class_labels_get_their_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train.parquet",
        {"img": cells(3), "fine": [1, 0, 1], "writer": ["a", None, "b"]},
        {"img": {"_type": "Image"}, "fine": {"_type": "ClassLabel", "names": ["永", "和"]}},
    )
    assert told(path) == [("和", "a", 0), ("永", "", 1), ("和", "b", 2)]
    (found,) = find_images([path])
    assert (found.format, found.name, found.count) == ("parquet", "train.parquet", 3)


def test_a_writer_has_an_end(tmp_path: Path) -> None:
    writers = ["w" * 256, "w" * 257]
    path = write(tmp_path / "x", {"image": cells(2), "label": ["永", "和"], "writer": writers})
    assert [writer for _, writer, _ in told(path)] == ["w" * 256, ""]


@pytest.mark.parametrize("features", [None, 3, {"label": 3}, {"label": {"_type": "Value"}}])
def test_labels_without_names_are_themselves(tmp_path: Path, features: Any) -> None:
    path = write(tmp_path / "x", {"image": cells(2), "label": ["永", "和"]}, features)
    assert [label for label, _, _ in told(path)] == ["永", "和"]
    path = write(tmp_path / "x", {"image": cells(2), "label": [7, 12]}, features)
    assert [label for label, _, _ in told(path)] == ["7", "12"]


def test_a_file_of_datasets_itself_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    features = datasets.Features(kinds)
    columns = {"image": cells(2), "label": [1, 0]}
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(tmp_path / "a.parquet"))
    assert [label for label, _, _ in told(tmp_path / "a.parquet")] == ["dog", "cat"]


def test_losses_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [*cells(3), {"bytes": None, "path": "far.png"}, None]
    path = write(
        tmp_path / "x.parquet",
        {"image": images, "label": [2, None, 0, 0, 0]},
        {"label": {"_type": "ClassLabel", "names": ["a", "b"]}},
    )
    (found,) = find_images([path])
    unknown, none, large, elsewhere, empty = found.items()
    assert isinstance(unknown, BadRecord)
    assert isinstance(none, BadRecord)
    assert (unknown.source, unknown.found, none.found) == ("x.parquet[0]", "2", "None")
    monkeypatch.setattr(parquet_module, "MAX_BYTES", 10)
    for item, message in (
        (large, "bytes"),
        (elsewhere, "a path to another file"),
        (empty, "no image"),
    ):
        assert isinstance(item, EncodedImage)
        with pytest.raises(InputError, match=message):
            item.read()


def test_what_holds_no_labelled_images_is_refused(tmp_path: Path) -> None:
    for columns, message in (
        ({"text": ["a"], "label": [1]}, "no column of images; its columns are text, label"),
        ({"image": cells(1), "note": ["a"]}, "no column of labels"),
        ({"image": cells(1), "label": [["a"]]}, "no column of labels"),
        ({"image": [cells(1)], "label": ["a"]}, "no column of images"),
        ({"a": cells(1), "b": cells(1), "label": ["a"]}, "several columns of images: a, b"),
        ({"image": cells(1), "label": [0.5]}, "no column of labels"),
    ):
        with pytest.raises(InputError, match=message):
            find_images([write(tmp_path / "x.parquet", columns)])


LARGE = {
    "binary": arrow.binary(),
    "large_binary": arrow.large_binary(),
    "binary_view": getattr(arrow, "binary_view", arrow.binary)(),
    "string": arrow.string(),
    "large_string": arrow.large_string(),
    "string_view": getattr(arrow, "string_view", arrow.string)(),
}


@pytest.mark.parametrize("prefix", ["", "large_", "view"])
@pytest.mark.parametrize("column", ["image", "img", "jpg", "scan"])
def test_text_and_bytes_of_any_width_are_read(tmp_path: Path, prefix: str, column: str) -> None:
    """Polars writes large_binary and large_string, and may write views."""
    names = (
        ("binary_view", "string_view")
        if prefix == "view"
        else (f"{prefix}binary", f"{prefix}string")
    )
    data, text = (LARGE[name] for name in names)
    cell = arrow.struct([("bytes", data), ("path", text)])
    labels = arrow.array(["永", "和"], text)
    for images in (
        arrow.array(cells(2), cell),
        arrow.array([each["bytes"] for each in cells(2)], data),
    ):
        path = write(tmp_path / "x", {column: images, "label": labels, "writer": labels})
        assert told(path) == [("永", "永", 0), ("和", "和", 1)]


def test_labels_of_a_dictionary_are_read(tmp_path: Path) -> None:
    for kind in (arrow.string(), arrow.large_string()):
        labels = arrow.array(["永", "和", "永"], kind).dictionary_encode()
        assert [
            row[0] for row in told(write(tmp_path / "x", {"image": cells(3), "label": labels}))
        ] == [
            "永",
            "和",
            "永",
        ]


def test_the_column_called_image_is_preferred(tmp_path: Path) -> None:
    masks = [{"bytes": b"mask", "path": ""}] * 2
    path = write(tmp_path / "x", {"mask": masks, "image": cells(2), "label": ["永", "和"]})
    assert [label for label, _, _ in told(path)] == ["永", "和"]


def test_a_file_of_polars_itself_is_read(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"image": cells(2), "label": ["永", "和"]})
    frame.write_parquet(tmp_path / "x.parquet")
    assert [label for label, _, _ in told(tmp_path / "x.parquet")] == ["永", "和"]


def test_damage_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"image": cells(40), "label": [0] * 40})
    data = path.read_bytes()
    with pytest.raises(InputError, match="is a damaged parquet file"):
        find_images([put(tmp_path / "cut.parquet", data[:-300])])
    spoilt = bytearray(data)
    spoilt[4:200] = bytes(196)
    (found,) = find_images([put(tmp_path / "spoilt.parquet", bytes(spoilt))])
    with pytest.raises(InputError, match="is a damaged parquet file"):
        list(found.items())


def test_without_pyarrow_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.parquet", {"image": cells(1), "label": [0]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install 'pyarrow>="):
        find_images([path])


def test_text_that_is_none_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"image": cells(2), "label": ["0123", "4567"]})
    spoilt = path.read_bytes().replace(b"0123", b"\xff\xfe\xfd\xfc")
    (found,) = find_images([put(tmp_path / "spoilt.parquet", spoilt)])
    with pytest.raises(InputError, match="is a damaged parquet file"):
        list(found.items())


def test_half_characters_are_no_names_of_classes(tmp_path: Path) -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["\ud800", "b"]}}
    path = write(tmp_path / "x.parquet", {"image": cells(2), "label": [0, 1]}, features)
    assert [label for label, _, _ in told(path)] == ["0", "1"]


def test_of_several_columns_one_is_to_be_chosen(tmp_path: Path) -> None:
    names = {"_type": "ClassLabel", "names": ["a", "b"]}
    columns = {
        "img": cells(2),
        "mask": cells(2),
        "coarse": [0, 0],
        "fine": [1, 0],
        "text": ["永", "和"],
    }
    path = write(tmp_path / "x", columns, {"coarse": names, "fine": names})
    with pytest.raises(
        InputError, match=r"several columns of images: img, mask\. Give .*--image-co"
    ):
        find_images([path])
    with pytest.raises(InputError, match=r"several columns of labels: coarse, fine, text"):
        find_images([path], layout=Layout(image_column="img"))
    for label, expected in (("fine", "b"), ("coarse", "a"), ("text", "永")):
        layout = Layout(image_column="mask", label_column=label)
        (found,) = find_images([path], layout=layout)
        assert getattr(next(found.items()), "label", "") == expected
        others = tuple(name for name in columns if name not in ("mask", label))
        assert found.columns == Columns("mask", label, "", others)


def test_any_column_can_be_chosen_and_the_usual_names_are_preferred(tmp_path: Path) -> None:
    columns = {"image": cells(2), "thumb": cells(2), "label": ["永", "和"], "labels": [0, 0]}
    path = write(tmp_path / "x", {**columns, "font": ["f", "g"]})
    assert [label for label, _, _ in told(path)] == ["永", "和"]
    (found,) = find_images([path], layout=Layout(label_column="font"))
    assert getattr(next(found.items()), "label", "") == "f"


def test_negative_numbers_are_no_labels_and_writers_may_be_numbers(tmp_path: Path) -> None:
    columns = {"image": cells(3), "label": [0, -1, 7], "writer": [12, 0, None]}
    (found,) = find_images([write(tmp_path / "x", columns)])
    first, none, last = found.items()
    assert isinstance(first, EncodedImage)
    assert isinstance(none, BadRecord)
    assert isinstance(last, EncodedImage)
    assert [(item.label, item.writer) for item in (first, last)] == [("0", "12"), ("7", "")]
    assert (none.kind, none.found) == ("no label", "-1")
