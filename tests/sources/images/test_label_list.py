from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.record import BadRecord
from hwgen.sources.images import label_list
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.find import find_images
from tests.image_files import encoded, photo, put


def write(folder: Path, text: str | bytes, name: str = "label.txt", images: int = 3) -> Path:
    """A folder of images/0.png and so on, with a list."""
    for n in range(images):
        put(folder / "images" / f"{n}.png", encoded(photo(n)))
    put(folder / name, text if isinstance(text, bytes) else text.encode())
    return folder


def only(path: Path) -> Collection:
    (found,) = find_images([path])
    assert found.format == "paddle"
    return found


def losses(collection: Collection) -> list[tuple[str, str]]:
    """Name and kind of what is lost, or the label of what is sound."""
    return [
        (item.source, item.kind) if isinstance(item, BadRecord) else (item.name, item.label)
        for item in collection.items()
    ]


def unread(item: EncodedImage | object) -> str:
    """Why an image cannot be had."""
    assert isinstance(item, EncodedImage)
    with pytest.raises(InputError) as caught:
        item.read()
    return caught.value.what


@pytest.mark.parametrize("name", ["label.txt", "rec_gt_train.txt"])
def test_a_line_is_an_image_and_its_class(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "字", "images/2.png\t永\nimages/0.png\tstreet 1\n", name)
    found = only(folder / name)
    assert (found.name, found.count) == (f"字/{name}", 2)
    read = []
    for item in found.items():
        assert isinstance(item, EncodedImage)
        read.append((item.label, item.writer, item.source, item.position, item.name, item.read()))
    assert read == [
        ("永", "", f"字/{name}", 0, "字/images/2.png", encoded(photo(2))),
        ("street 1", "", f"字/{name}", 1, "字/images/0.png", encoded(photo(0))),
    ]
    assert found.size == len(encoded(photo(2))) + len(encoded(photo(0)))


def test_a_folder_is_known_by_its_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "ocr", "images/0.png\ta\n")
    assert only(folder).name == "ocr/label.txt"
    monkeypatch.chdir(folder)
    assert only(Path(".")).name == only(Path("label.txt")).name == "ocr/label.txt"


@pytest.mark.parametrize("text", ["a note", "0\tcat\n1\tdog\n", b"\xff\xfe\t\n", "x" * 70_000])
def test_another_label_txt_makes_no_list_of_a_folder(tmp_path: Path, text: str | bytes) -> None:
    (found,) = find_images([write(tmp_path / "f", text)])
    assert (found.format, found.name) == ("folder", "f/images")
    with pytest.raises(InputError, match="is not a zip of images, a list of images and labels"):
        find_images([tmp_path / "f" / "label.txt"])


def test_a_list_of_windows_is_the_same(tmp_path: Path) -> None:
    lines = "\ufeffimages/0.png\t永\r\n\r\nimages/1.png\tb\tmore\r\nimages/2.png\t c"
    assert losses(only(write(tmp_path / "w", lines))) == [
        ("w/images/0.png", "永"),
        ("w/images/1.png", "b"),
        ("w/images/2.png", " c"),
    ]


def test_a_line_without_a_label_is_a_loss(tmp_path: Path) -> None:
    lines = [b"header", b"images/0.png\t", b"images/0.png\t\xff", b"1.png\t" + b"x" * 257]
    folder = write(tmp_path / "w", b"\n".join([*lines, "images/1.png\t永\n".encode()]))
    found = only(folder)
    assert losses(found) == [
        *((f"w/label.txt:{n}", "unknown label") for n in (1, 2, 3, 4)),
        ("w/images/1.png", "永"),
    ]
    assert found.count == 5


def test_a_path_names_nothing_outside_the_folder(tmp_path: Path) -> None:
    put(tmp_path / "secret.png", encoded(photo(0)))
    paths = (
        "../secret.png",
        "images/../../secret.png",
        str(tmp_path / "secret.png"),
        "none.png",
        "images",
        "a\0.png",
        f"{'x' * 5000}.png",
    )
    folder = write(tmp_path / "w", "".join(f"{path}\ta\n" for path in paths))
    found = only(folder)
    items = list(found.items())
    assert len(items) == len(paths)
    assert found.size == 0
    assert {unread(item) for item in items} == {"no such file in the folder of the list"}


def test_an_image_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = only(write(tmp_path / "w", "images/0.png\ta\n"))
    monkeypatch.setattr(label_list, "MAX_BYTES", 10)
    (item,) = found.items()
    assert unread(item) == f"{found.size:,} bytes"
