import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.lines.of_store import StoreCharacters

from .conftest import CHARACTERS, MakeStore


def test_a_line_is_by_one_writer(make_store: MakeStore) -> None:
    characters = StoreCharacters(make_store(pens={"w1": 1, "w2": 2, "w3": 3}))
    assert characters.known == set(CHARACTERS)
    lines = characters.write([CHARACTERS] * 40, 0, 0)
    assert {line.writer for line in lines} == {"w1", "w2", "w3"}
    for line in lines:
        widths = [round(glyph.pen.width * 14) for glyph in line.glyphs if glyph and glyph.pen]
        assert set(widths) == {int(line.writer[1])}


def test_a_line_is_a_function_of_seed_and_number(make_store: MakeStore) -> None:
    store = make_store()
    lines = StoreCharacters(store).write(["一口十"] * 9, 0, 5)
    later = StoreCharacters(store).write(["一口十"] * 4, 5, 5)
    for a, b in zip(lines[5:], later, strict=True):
        assert a.writer == b.writer
        for one, other in zip(a.glyphs, b.glyphs, strict=True):
            assert one is not None
            assert other is not None
            np.testing.assert_array_equal(one.image, other.image)
    assert [line.writer for line in lines] == StoreCharacters(store).writers(["一口十"] * 9, 0, 5)
    others = StoreCharacters(store).writers(["一口十"] * 9, 0, 6)
    assert others != [line.writer for line in lines]


def test_the_nearest_pen_writes_what_the_writer_did_not(make_store: MakeStore) -> None:
    written = [("thin", "一丨日"), ("thin too", "十"), ("wide", "十"), ("wide too", "十口")]
    pens = {"thin": 1, "thin too": 1, "wide": 4, "wide too": 4}
    characters = StoreCharacters(make_store(written=written, pens=pens))
    for line in characters.write(["一丨日十"] * 8, 0, 0):
        assert line.writer == "thin"
        missing = line.glyphs[3]
        assert missing is not None
        assert missing.pen is not None
        assert missing.pen.width * 14 < 2


def test_records_without_a_writer_are_by_anybody(make_store: MakeStore) -> None:
    nobody = StoreCharacters(make_store("nobody", written=[("", CHARACTERS)] * 3))
    assert nobody.writers(["一口"], 0, 0) == [""]
    some = make_store("some", written=[("", CHARACTERS), ("w1", "一"), ("w2", "口丨")])
    assert set(StoreCharacters(some).writers(["一口丨十"] * 9, 0, 0)) == {"w2"}
    assert set(StoreCharacters(some).writers(["十日"] * 9, 0, 0)) == {""}


def test_writers_can_be_selected(make_store: MakeStore) -> None:
    store = make_store(written=[("001", CHARACTERS), ("002", CHARACTERS), ("003", "一")])
    few = StoreCharacters(store, "003")
    assert few.known == {"一"}
    assert set(StoreCharacters(store, "001-002").writers(["一"] * 20, 0, 0)) == {"001", "002"}
    assert few.settings["writers"] == "003"
    with pytest.raises(InputError, match="9"):
        StoreCharacters(store, "9")


def test_punctuation_and_spaces_are_left_to_others(make_store: MakeStore) -> None:
    characters = StoreCharacters(make_store())
    (line, marks) = characters.write(["一， 口", "1！"], 0, 0)
    assert [glyph is None for glyph in line.glyphs] == [False, True, True, False]
    assert marks.glyphs == [None, None]
    assert characters.writers(["1！"], 0, 0) == [marks.writer] == [""]


def test_names_of_several_characters_are_no_characters(make_store: MakeStore) -> None:
    store = make_store()
    assert "cat" not in StoreCharacters(store).known


def test_an_image_without_ink_is_replaced_or_refused(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(written=[("w1", "一" * 4)])
    images = store.images

    def partly_blank(indices: np.ndarray) -> np.ndarray:
        found = images(indices)
        found[np.asarray(indices) != 2] = 255
        return found

    monkeypatch.setattr(store, "images", partly_blank)
    (line,) = StoreCharacters(store).write(["一一一"], 0, 0)
    assert all(line.glyphs)
    monkeypatch.setattr(store, "images", lambda indices: np.full_like(images(indices), 255))
    with pytest.raises(InputError, match="images of '一' have no ink"):
        StoreCharacters(store).write(["一"], 0, 0)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"channels": 3}, "expected 1 channel"),
        ({"origin": {"kind": "gnt", "framing": {"stretch": True}}}, "stretched"),
    ],
)
def test_other_stores_are_refused(
    make_store: MakeStore, changes: dict[str, object], what: str
) -> None:
    with pytest.raises(InputError, match=what):
        StoreCharacters(make_store(**changes))
