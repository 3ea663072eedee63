import os
import random

import pytest

from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.io.encodings import check_codec, decide, decide_on_disk, name_text

LEVEL_1 = list(gb2312_level1())
BIG5_LEVEL_1 = [
    char
    for first in range(0xA4, 0xC7)
    for second in [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    if "\u4e00" <= (char := bytes((first, second)).decode("cp950", "replace")) <= "\u9fff"
]
JIS_LEVEL_1 = [
    char
    for first in range(0x88, 0x98)
    for second in range(0x40, 0xFD)
    if len(char := bytes((first, second)).decode("cp932", "ignore")) == 1
    and "\u4e00" <= char <= "\u9fff"
]
SETS = {
    "gb18030": LEVEL_1,
    "utf-8": LEVEL_1,
    "cp950": BIG5_LEVEL_1,
    "cp932": JIS_LEVEL_1,
    "cp949": [
        bytes((first, second)).decode("cp949")
        for first in range(0xB0, 0xC9)
        for second in range(0xA1, 0xFF)
    ],
}
"""Classes of data sets, by an encoding that writes them."""


def decided(names: list[str], codec: str, encoding: str | None = None) -> str:
    raw = [name.encode(codec) + b"/0.png" for name in names]
    return decide(raw, what="names", where="a.zip", encoding=encoding)


@pytest.mark.parametrize("codec", SETS)
def test_whole_charsets_are_recognised(codec: str) -> None:
    assert len(SETS[codec]) > 2300
    if codec == "cp949":  # Hangul of KS X 1001 have the codes of the first 2,350 of GB 2312
        with pytest.raises(InputError, match=r"several fit: .*갂? ?"):
            decided(SETS[codec], codec)
    else:
        assert decided(SETS[codec], codec) == codec


@pytest.mark.parametrize("codec", SETS)
@pytest.mark.parametrize("count", [10, 200, 1000])
def test_parts_of_sorted_charsets_are_recognised_or_refused_and_never_wrong(
    codec: str, count: int
) -> None:
    for first in range(0, len(SETS[codec]), count):
        names = SETS[codec][first : first + count]
        try:
            found = decided(names, codec)
        except InputError:
            continue
        assert [name.encode(codec).decode(found) for name in names] == names


@pytest.mark.parametrize("codec", SETS)
@pytest.mark.parametrize("count", [1, 2, 5, 20, 100])
@pytest.mark.parametrize("length", [1, 2])
def test_subsets_are_recognised_or_refused_and_never_wrong(
    codec: str, count: int, length: int
) -> None:
    rng = random.Random(count)
    right = 0
    for _ in range(60):
        names = ["".join(rng.sample(SETS[codec], length)) for _ in range(count)]
        try:
            found = decided(names, codec)
        except InputError:
            continue
        assert [name.encode(codec).decode(found) for name in names] == names
        right += 1
    if count >= 20 and codec != "cp949":
        assert right >= 57


@pytest.mark.parametrize(
    ("codec", "names"),
    [
        ("gb18030", ["手写", "汉字"]),
        ("gb18030", ["训练集", "测试集"]),
        ("gb18030", ["囍", "国", "一", "丁", "七", "万", "丈", "三"]),
        ("utf-8", ["手写"]),
        ("utf-8", ["буква", "слово", "почерк"]),
        ("cp437", ["Müller", "Größe", "Jürgen", "Straße", "Käthe"]),
        ("cp1252", ["Müller", "Größe", "Jürgen", "Straße", "Käthe"]),
        ("cp866", ["буква", "слово", "почерк"]),
        ("cp1251", ["буква", "слово", "почерк"]),
        ("cp932", ["ひらがな", "カタカナ"]),
        ("cp950", ["繁體字", "手寫", "漢字", "訓練", "資料", "圖片"]),
    ],
)
def test_words_are_recognised(codec: str, names: list[str]) -> None:
    assert decided(names, codec) == codec


def test_ascii_needs_no_decision() -> None:
    assert decided(["a", "b"], "ascii") == "ascii"
    assert decide([], what="names", where="x") == "ascii"


def test_two_readings_are_shown_and_refused() -> None:
    with pytest.raises(InputError, match=r"a\.zip: its names .*several fit.*一") as caught:
        decided(["一"], "gb18030")
    assert "һ/0.png (utf-8)" in str(caught.value)
    assert "--encoding" in caught.value.remedy
    assert decided(["一"], "gb18030", "gb18030") == "gb18030"


def test_names_of_no_encoding_are_refused() -> None:
    with pytest.raises(InputError, match=r"encoding of its names is unknown: a\\xff\\x81/b"):
        decide([b"a\xff\x81/b"], what="names", where="a.zip")
    with pytest.raises(InputError, match=r"not all valid in utf-8: \\xd2\\xd2"):
        decide([b"\xd2\xd2"], what="names", where="a.zip", encoding="utf-8")


def test_an_unknown_encoding_is_refused() -> None:
    assert check_codec("GBK") == "gbk"
    for name in ("klingon", "hex", "", "a\0b", "undefined"):
        with pytest.raises(InputError, match="no encoding is called"):
            check_codec(name)


def test_valid_utf8_on_a_disk_is_utf8() -> None:
    assert decide_on_disk(["һ", "ж", "a"], where="x") == "utf-8"
    gbk = [os.fsdecode(char.encode("gb18030")) for char in LEVEL_1]
    assert decide_on_disk(gbk, where="x") == "gb18030"
    assert name_text(gbk[0], "gb18030") == "啊"
    assert name_text(gbk[0]) == r"\xb0\xa1"
    with pytest.raises(InputError, match="encoding of its names is unknown"):
        decide_on_disk([*gbk, "手写字"], where="x")


def test_long_names_take_no_long_time() -> None:
    long = b"a" * 65_000
    assert decide([long + b"\xc3\xa4", b"x" + long], what="names", where="x", encoding="utf-8")
    with pytest.raises(InputError):
        decide([long + b"\xff\x81"], what="names", where="x")


@pytest.mark.parametrize(
    ("codec", "odd"),
    [("utf-8", "a\u200bb \x9b2J \u202e \ue000 \ufeff"), ("gb18030", "\ue000 \ue4c6")],
)
def test_odd_characters_do_not_make_an_encoding_unknown(codec: str, odd: str) -> None:
    assert decided([*odd.split(" "), *LEVEL_1[::9]], codec) == codec
    for char in ("a\u200bb", "\u202e", "\ufeff"):
        assert decided([char], "utf-8") == "utf-8"


def test_utf8_with_surrogates_is_not_taken_for_another_encoding() -> None:
    raw = "\ud83d\ude00".encode("utf-8", "surrogatepass")  # an emoji by some Java programs
    with pytest.raises(InputError, match="unknown"):
        decide([raw, b"ok"], what="names", where="a.zip")
