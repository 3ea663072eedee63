import pytest

from hwgen.exports.file_names import class_folder, file_stem


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
    ],
)
def test_class_folders_are_ascii(label: str, folder: str) -> None:
    assert class_folder(label) == folder


@pytest.mark.parametrize(
    ("writer", "stem"),
    [
        ("001", "001"),
        ("C001-f", "C001-f"),
        ("王", "王"),
        ("..", "%2E."),
        ("/etc/x", "%2Fetc%2Fx"),
        ("a%2Fb", "a%252Fb"),
        ("a\0\n", "a%00%0A"),
    ],
)
def test_writers_become_safe_file_names(writer: str, stem: str) -> None:
    assert file_stem(writer) == stem
