import unicodedata

import pytest

from hwgen.exports.file_names import file_stem, file_stems


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
        ("con", "%63on"),  # a device of Windows
        ("NUL.x", "%4EUL.x"),
        ("console", "console"),
        ("王" * 66, "王" * 66),
        ("王" * 67, "王" * 61 + "~093de7d8dfea1b61"),
    ],
)
def test_writers_become_safe_file_names(writer: str, stem: str) -> None:
    assert file_stem(writer) == stem


def test_different_writers_have_different_files_in_every_file_system() -> None:
    writers = ["A", "a", "\u00e9", "e\u0301", "x", "", "nameless", "王" * 300, "王" * 301]
    stems = file_stems(writers, "nameless")
    assert stems[0] == "A"
    assert stems[1].startswith("a~")
    assert stems[5] == stems[6] == "nameless"
    folded = {unicodedata.normalize("NFC", stem).casefold() for stem in stems}
    assert len(folded) == len(writers) - 1
    assert max(len(stem.encode()) for stem in stems) <= 200
