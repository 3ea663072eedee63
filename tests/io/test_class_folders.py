import hashlib

import pytest

from hwgen.errors import InputError
from hwgen.io.class_folders import class_folder, class_of
from hwgen.io.ignored import is_ignored

LONG = "永" * 37


def no_map() -> object:
    raise FileNotFoundError


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("啊", "U+554A"),
        ("A", "U+0041"),
        ("a", "U+0061"),
        ("𠀀b", "U+20000-U+0062"),
        ("airplane", "airplane"),
        ("church_outdoor", "church_outdoor"),
        ("Cat", "U+0043-U+0061-U+0074"),  # differs from "cat" in case-insensitive file systems
        ("..", "U+002E-U+002E"),
        ("a/b", "U+0061-U+002F-U+0062"),
        ("con", "U+0063-U+006F-U+006E"),  # a device of Windows
        ("com1", "U+0063-U+006F-U+006D-U+0031"),
        ("con-1", "con-1"),
        ("a\0", "U+0061-U+0000"),
        ("...", "U+002E-U+002E-U+002E"),
        ("a.", "U+0061-U+002E"),
        ("a ", "U+0061-U+0020"),
        ("\u3000", "U+3000"),
        ("永" * 36, "-".join(["U+6C38"] * 36)),
    ],
)
def test_class_folders_are_ascii(label: str, folder: str) -> None:
    assert class_folder(label) == folder
    assert class_of(folder, no_map) == label


def test_names_of_long_labels_are_shortened() -> None:
    folder = class_folder(LONG)
    digest = hashlib.sha256(LONG.encode()).hexdigest()[:32]
    assert folder == "-".join(["U+6C38"] * 8) + f"-sha256-{digest}"
    assert class_of(folder, lambda: {"classes": {folder: LONG}}) == LONG


@pytest.mark.parametrize("name", ["con", "nul", "lost", "a" * 256, "com9", "永" * 256, "𠀀" * 256])
def test_every_name_is_possible_unique_and_read(name: str) -> None:
    labels = {name, name.upper(), name[:-1], name[1:]}
    folders = [class_folder(label) for label in labels]
    for folder in folders:
        assert len(folder) <= 255
        assert not is_ignored((folder,))
    assert len({folder.lower() for folder in folders}) == len(labels)


@pytest.mark.parametrize(
    "found",
    [None, [], {}, {"classes": 3}, {"classes": {}}, {"classes": {class_folder(LONG): "other"}}],
)
def test_a_map_without_the_label_is_refused(found: object) -> None:
    with pytest.raises(InputError, match=r"too long for a folder.*Copy classes.json"):
        class_of(class_folder(LONG), lambda: found)
    with pytest.raises(InputError, match="too long for a folder"):
        class_of(class_folder(LONG), no_map)
