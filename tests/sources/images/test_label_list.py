import json
from pathlib import Path

import pytest

from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.record import BadRecord
from hwgen.sources.images import label_list
from hwgen.sources.images.collection import Collection, EncodedImage
from hwgen.sources.images.find import find_images
from hwgen.sources.images.layout import Columns, Layout
from tests.image_files import encoded, photo, put, zipped


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
def test_another_label_txt_is_refused_beside_one_class_and_no_list_beside_many(
    tmp_path: Path, text: str | bytes
) -> None:
    folder = write(tmp_path / "f", text)
    with pytest.raises(InputError, match=r"may hold their labels.*expected lines of .* found"):
        find_images([folder])
    with pytest.raises(InputError, match="is not a zip of images, a list of images and labels"):
        find_images([folder / "label.txt"])
    put(folder / "others" / "0.png", encoded(photo(9)))
    assert [found.name for found in find_images([folder])] == ["f/images", "f/others"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "0 a\n1 b\n"),
        ("gt.txt", "images/0.tga a\n"),
        ("rec_gt_train.txt", "images/0 a"),
        ("anything.csv", "label,picture\na,images/0.png\n"),
        ("notes.txt", "a is 0.png"),
        ("train.json", '{"0.png": "a"}'),
        ("images/0.xml", "<file>0.png</file>"),
        ("annotations.xlsx", "PK\3\4"),
        ("lists/labels.json", "[]"),
    ],
)
def test_no_list_is_ignored_while_its_images_become_one_class(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(InputError) as caught:
        find_images([write(tmp_path / "f", text, name)])
    assert caught.value.where.endswith(name.rpartition("/")[2])
    assert "move it elsewhere if all images are of one class" in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    ["gt.txt", "labels.csv", "images/list.tsv", "labels", "list.dat", "annotations/gt.txt"],
)
def test_a_list_of_another_name_beside_its_images_is_to_be_given(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "f", "images/0.png\ta\n", name)
    with pytest.raises(InputError, match=r"contains label lists \(1\)") as caught:
        find_images([folder])
    assert f"such as {folder / name}" in caught.value.remedy
    zipped(folder, tmp_path / "f.zip")
    with pytest.raises(InputError, match=f"contains a label list, f/{name}"):
        find_images([tmp_path / "f.zip"])


@pytest.mark.parametrize("name", ["Label.txt", "label.txt", "rec_gt.txt", "labels.csv"])
@pytest.mark.parametrize("key", ["transcription", "points"])
def test_boxes_of_text_are_no_labels(tmp_path: Path, name: str, key: str) -> None:
    boxes = json.dumps([{key: "手写"}, {"transcription": "字"}], ensure_ascii=False)
    quoted = boxes.replace('"', '""')
    row = f'images/0.png,"{quoted}"' if name.endswith("csv") else f"images/0.png\t{boxes}"
    head = "path,label\n" if name.endswith("csv") else "images/1.png\t[]\n"
    folder = write(tmp_path / "f", f"{head}{row}\n", name)
    with pytest.raises(InputError, match="boxes of text") as caught:
        find_images([folder / name])
    assert "rec_gt.txt" in caught.value.remedy
    with pytest.raises(InputError):
        find_images([folder])


def test_labels_that_look_like_json_are_labels(tmp_path: Path) -> None:
    text = "images/0.png\t[\nimages/1.png\t{\nimages/2.png\t[1]\n"
    found = only(write(tmp_path / "f", text) / "label.txt")
    assert [label for _, label in losses(found)] == ["[", "{", "[1]"]


def test_notes_beside_images_of_one_class_are_no_list(tmp_path: Path) -> None:
    (found,) = find_images([write(tmp_path / "f", "Scanned at 300 dpi.", "README.txt")])
    assert found.format == "folder"


LINES = ("images/2.png{}永", "images/0.png{}一", "images/1.png{}街道 1")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", ["\t", " ", "  ", ",", ", ", ";", "|"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_lists_of_any_program_are_read(
    tmp_path: Path, codec: str, separator: str, end: str
) -> None:
    text = "".join(line.format(separator) + end for line in LINES)
    found = only(write(tmp_path / "w", text.encode(codec)) / "label.txt")
    assert losses(found) == [
        ("w/images/2.png", "永"),
        ("w/images/0.png", "一"),
        ("w/images/1.png", "街道 1"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'filename,words\nimages/0.png,"a,""b"""\n',  # EasyOCR
        'file_name,writer,text\nimages/0.png,7,"a,""b"""\n',  # Hugging Face
        'images/0.png, "a,""b"""\n',  # ICDAR
        'images/0.png,a,"b"\n',
        '"images/0.png"\ta,"b"',
        'path\tlabel\nimages/0.png\ta,"b"',
        'images/0.png a,"b"\n',  # TRDG, MMOCR
        './images\\0.png\ta,"b"\n',
        'w/images/0.png\ta,"b"\n',  # from the folder above
        '{}/images/0.png\ta,"b"\n',
        'C:\\data\\w\\images\\0.png\ta,"b"\n',
    ],
)
def test_paths_and_columns_of_other_programs(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path / "w", text.replace("{}", str(tmp_path / "w")), "train.txt")
    found = only(folder / "train.txt")
    (item,) = (item for item in found.items() if isinstance(item, EncodedImage))
    assert (item.label, item.read()) == ('a,"b"', encoded(photo(0)))


def test_the_encoding_is_decided_over_all_lines(tmp_path: Path) -> None:
    names = list(gb2312_level1())[:3755:3]
    text = "".join(f"images/{n}.png\t{name}\n" for n, name in enumerate(names))
    found = only(write(tmp_path / "w", text.encode("gb18030")))
    assert [item.label for item in found.items() if isinstance(item, EncodedImage)] == names
    assert found.encoding == "gb18030"
    one = write(tmp_path / "one", "images/0.png\t一\n".encode("gb18030"))
    with pytest.raises(InputError, match=r"its labels do not say their encoding.*一 \(gb18030\)"):
        find_images([one])
    (found,) = find_images([one], "gbk")
    assert losses(found) == [("one/images/0.png", "一")]


def test_some_damaged_lines_are_losses(tmp_path: Path) -> None:
    text = "".join(
        f"images/{n}.png\t{name}\n" for n, name in enumerate("一二三四五六七八九十永", 2)
    )
    found = only(write(tmp_path / "w", text.encode() + b"images/1.png\t\xff\xff\n"))
    assert [kind for _, kind in losses(found)] == [*"一二三四五六七八九十永", "unknown label"]


def test_a_list_of_windows_is_the_same(tmp_path: Path) -> None:
    lines = "\ufeffimages/0.png\t永\r\n\r\nimages/1.png\tb\tmore\r\nimages/2.png\t c"
    assert losses(only(write(tmp_path / "w", lines))) == [
        ("w/images/0.png", "永"),
        ("w/images/1.png", "b"),
        ("w/images/2.png", " c"),
    ]


def test_a_line_without_a_label_is_a_loss(tmp_path: Path) -> None:
    lines = [b"header", b"images/0.png\t", b"images/0.png", b"1.png\t" + b"x" * 257]
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
        f"{tmp_path}/w/../secret.png",
        "x/w/../secret.png",
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


def test_an_image_with_two_labels_is_a_loss_and_so_is_a_second_line(tmp_path: Path) -> None:
    text = "images/0.png\t永\nimages/1.png\t一\n./images/0.png\t和\nimages//1.png\t一\n"
    text += "none.png\ta\nnone.png\ta\n"
    found = only(write(tmp_path / "w", text))
    assert losses(found) == [
        ("w/label.txt:1", "image with several labels"),
        ("w/images/1.png", "一"),
        ("w/label.txt:3", "image with several labels"),
        ("w/label.txt:4", "image listed twice"),
        ("w/none.png", "a"),
        ("w/none.png", "a"),
    ]


def test_lines_of_json_are_read_and_what_is_no_label_is_a_loss(tmp_path: Path) -> None:
    values = ('"永"', "7", "-1", "null", "[1]", "true")
    text = "".join(
        f'{{"label": {value}, "image": "images/{n}.png"}}\n' for n, value in enumerate(values)
    )
    found = only(write(tmp_path / "w", text + "{\n", "train.jsonl", images=6) / "train.jsonl")
    assert losses(found) == [
        ("w/images/0.png", "永"),
        ("w/images/1.png", "7"),
        *((f"w/train.jsonl:{n}", "unknown label") for n in (3, 4, 5, 6, 7)),
    ]
    assert found.columns == Columns("image", "label")


@pytest.mark.parametrize(
    "text",
    [
        "file_name,class,text\nimages/0.png,7,永\n",
        '{"file_name": "images/0.png", "class": 7, "text": "永"}\n',
    ],
)
def test_of_several_columns_one_is_to_be_chosen(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "w", text, "list.csv") / "list.csv"
    with pytest.raises(
        InputError, match=r"several columns of labels: class, text\. Give .*--label-co"
    ):
        find_images([path])
    for name, label in (("class", "7"), ("text", "永")):
        (found,) = find_images([path], layout=Layout(label_column=name))
        assert losses(found) == [("w/images/0.png", label)]
