import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.charset import (
    Charset,
    gb2312_level1,
    parse_charset,
    read_charset_file,
    select_classes,
    sorted_charset,
)
from hwgen.errors import CharsetError, InputError
from hwgen.store import is_store


def test_level_1_has_3755_characters_in_code_order() -> None:
    charset = gb2312_level1()
    assert len(charset) == 3755
    assert (charset[0], charset[3754]) == ("啊", "座")
    codes = [char.encode("gb2312") for char in charset]
    assert codes == sorted(codes)
    assert {code[0] for code in codes} == set(range(0xB0, 0xD8))


@given(st.lists(st.characters(codec="utf-8"), unique=True, min_size=1))
def test_ids_and_labels_are_each_others_inverse(labels: list[str]) -> None:
    charset = Charset(tuple(labels))
    assert [charset[charset.id(label)] for label in charset] == labels
    assert charset.ids(labels) == list(range(len(labels)))
    assert all(label in charset for label in labels)


def test_the_fingerprint_changes_with_order_and_labels() -> None:
    prints = {Charset(tuple(text)).fingerprint for text in ("一丁", "丁一", "一丁七", "一")}
    assert len(prints) == 4
    assert Charset(("ab",)).fingerprint != Charset(("a", "b")).fingerprint
    assert Charset(("一", "丁")).fingerprint == Charset(("一", "丁")).fingerprint


@pytest.mark.parametrize("labels", [("一", "一"), ("",), ("a", "")])
def test_malformed_charsets_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(CharsetError):
        Charset(labels)


def test_as_found_is_distinct_and_in_code_point_order() -> None:
    assert sorted_charset("丁一七丁A").labels == ("A", "一", "丁", "七")


def test_an_unknown_label_is_named_with_known_ones() -> None:
    charset = Charset(("一", "丁"))
    with pytest.raises(CharsetError, match=r"'七' is not one of the 2 classes.*一丁"):
        charset.id("七")
    with pytest.raises(CharsetError, match=r"2 of 3 characters.*七万"):
        charset.ids("一七万")
    with pytest.raises(CharsetError, match="…"):
        charset.ids("".join(chr(0x5000 + n) for n in range(60)))
    assert "七" not in charset
    assert 3 not in charset


@pytest.mark.parametrize("text", ["一丁七", "一\n丁\r\n七\n", " 一\t丁　七", "\ufeff一丁七"])
def test_a_file_may_separate_by_any_white_space(tmp_path: Path, text: str) -> None:
    path = tmp_path / "charset.txt"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_charset_file(path).labels == ("一", "丁", "七")
    assert parse_charset(str(path)).labels == ("一", "丁", "七")


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "charset.txt"
    path.write_bytes("一丁".encode("gb18030"))
    with pytest.raises(CharsetError, match=r"charset\.txt: invalid UTF-8 at byte 2.*iconv"):
        read_charset_file(path)
    path.write_text(" \n")
    with pytest.raises(CharsetError, match=r"charset\.txt: no characters found"):
        read_charset_file(path)
    path.write_text("一丁一", encoding="utf-8")
    with pytest.raises(CharsetError, match=r"charset\.txt: '一' occurs twice"):
        read_charset_file(path)


def test_what_a_user_types() -> None:
    assert parse_charset("gb2312-1") == gb2312_level1()
    assert parse_charset("一丁").labels == ("一", "丁")
    assert len(parse_charset("".join(gb2312_level1()))) == 3755
    for missing in ("nowhere.txt", "no/where"):
        with pytest.raises(CharsetError, match="charset file not found"):
            parse_charset(missing)
    with pytest.raises(CharsetError, match="no characters"):
        parse_charset(" ")
    with pytest.raises(CharsetError, match="twice"):
        parse_charset("一一")


def test_more_characters_than_a_path_can_have_are_characters(tmp_path: Path) -> None:
    every = "".join(gb2312_level1())
    assert parse_charset(every) == gb2312_level1()
    assert not is_store(Path(every))


def test_classes_are_chosen_by_number_characters_or_file(tmp_path: Path) -> None:
    charset = Charset(tuple("一丨十天"))
    assert select_classes("3", charset) == [0, 1, 2]
    assert select_classes("十一", charset) == [2, 0]
    (tmp_path / "some.txt").write_text("天 丨\n", encoding="utf-8")
    assert select_classes(str(tmp_path / "some.txt"), charset) == [3, 1]
    for number in ("0", "5"):
        with pytest.raises(InputError, match=f"expected 1 to 4 classes, found {number}"):
            select_classes(number, charset)
    for unknown in ("地一", "①一"):
        with pytest.raises(CharsetError, match=f"1 of 2 characters.*{unknown[0]}"):
            select_classes(unknown, charset)
    with pytest.raises(CharsetError, match="charset file not found"):
        select_classes(str(tmp_path / "none.txt"), charset)


@pytest.mark.parametrize("digits", ["01", "10", "357", "5", "33"])
def test_digits_that_are_classes_are_asked_about(digits: str) -> None:
    charset = Charset(tuple("0123456789"))
    match = f"{digits} is ambiguous: a number .* Give first:{int(digits)} or characters:{digits}"
    with pytest.raises(InputError, match=match):
        select_classes(digits, charset)


def test_a_number_and_characters_can_be_told_apart() -> None:
    charset = Charset(tuple("9876543210"))
    assert select_classes("first:3", charset) == [0, 1, 2]
    assert select_classes("characters:10", charset) == [8, 9]
    assert select_classes("1 0", charset) == [8, 9]
    assert select_classes("2", Charset(tuple("一丁9"))) == [0, 1]  # no class is called 2
    with pytest.raises(InputError, match="found 11"):
        select_classes("first:11", charset)
    for word in ("first:ten", "9" * 5000):
        with pytest.raises(InputError):
            select_classes(word, charset)


def test_a_misspelt_name_is_not_taken_for_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train").mkdir()
    Path("latin").touch()
    match = "unknown charset 'trian'. Did you mean train. To use it as characters: characters:trian"
    with pytest.raises(CharsetError, match=match):
        parse_charset("trian")
    with pytest.raises(CharsetError, match="Did you mean found"):
        parse_charset("fuond", words=["found"])
    with pytest.raises(CharsetError, match="Did you mean gb2312-1"):
        parse_charset("gb2312")
    with pytest.raises(
        CharsetError, match=r"no file or charset is called 'original'.*'i' occurs twice"
    ):
        parse_charset("original")
    assert parse_charset("characters:trian").labels == tuple("trian")
    assert parse_charset("characters:a/b").labels == tuple("a/b")
    assert parse_charset("abcXYZ").labels == tuple("abcXYZ")
    assert parse_charset("litan", known=set("litan")).labels == tuple("litan")
    assert select_classes("nital", Charset(tuple("latin"))) == [4, 3, 2, 1, 0]


def test_a_pipe_is_refused_as_such() -> None:
    reading, writing = os.pipe()
    with pytest.raises(InputError, match=r"is a pipe, not a file\. Save the data to a file first"):
        parse_charset(f"/dev/fd/{reading}")
    os.close(reading)
    os.close(writing)
    assert list(parse_charset("characters:-")) == ["-"]


@pytest.mark.parametrize(
    "char",
    [
        "\ufeff",
        "\0",
        "\x1a",
        "\x1b",
        "\x7f",
        "\x90",
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2060",
        "\xad",
        "\ufe0f",
        "\U000e0100",
        "\U000e0041",
        "\u3164",
        "\u115f",
        "\ufffd",
        "\uffff",
        "\ufdd0",
        "\U0001ffff",
    ],
)
def test_characters_that_nobody_sees_are_refused_with_their_place(
    tmp_path: Path, char: str
) -> None:
    path = tmp_path / "chars.txt"
    path.write_text(f"\ufeff啊\n阿{char}埃\n", encoding="utf-8")
    with pytest.raises(CharsetError, match=rf"U\+{ord(char):04X} .* at line 2, column 2") as caught:
        read_charset_file(path)
    assert caught.value.where == str(path)
    for spec in (f"啊{char}", f"characters:a{char}"):
        with pytest.raises(CharsetError, match=r"at line 1, column 2"):
            parse_charset(spec)
    with pytest.raises(CharsetError):
        select_classes(f"啊{char}", Charset(("啊",)))


@pytest.mark.parametrize("text", ["か\u3099", "ae\u0301"])
def test_characters_in_two_parts_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "chars.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CharsetError, match="is a part of the character before it") as caught:
        read_charset_file(path)
    assert "NFC" in caught.value.remedy
    assert read_charset_file_of(path, "が\u3099") == ("が", "\u3099")


def read_charset_file_of(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    return read_charset_file(path).labels


def test_charset_files_in_other_encodings_are_refused_with_the_way(tmp_path: Path) -> None:
    for codec, known in (("utf-16", "utf-16"), ("gbk", "gb18030")):
        path = tmp_path / codec
        path.write_bytes("啊阿".encode(codec))
        with pytest.raises(CharsetError) as caught:
            read_charset_file(path)
        assert f"iconv -f {known} " in caught.value.remedy


def test_rare_and_private_characters_are_kept(tmp_path: Path) -> None:
    labels = ("\ue000", "\U000f0000", "\U00031350", "\u0301", "〇", "é")
    path = tmp_path / "chars.txt"
    path.write_text("\u3000".join(labels) + "\r\n", encoding="utf-8")
    assert read_charset_file(path).labels == labels
    # Labels of folders and stores are whatever their source has.
    assert Charset(("a\u200db", "\u200b")).id("\u200b") == 1


def test_a_charset_shows_a_few_labels() -> None:
    assert repr(Charset(("一", "丁"))) == "Charset('一', '丁')"
    assert repr(gb2312_level1()).startswith("Charset('啊', '阿',")
    assert repr(gb2312_level1()).endswith(", … 3,755 in total)")
