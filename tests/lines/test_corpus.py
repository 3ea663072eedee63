import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.lines.corpus import TextOptions, Texts, cut, read_corpus

KNOWN = frozenset("天地玄黄，。")
REQUIRED = frozenset("天地玄黄")


def texts(*corpus: str, seed: int = 0, **options: object) -> Texts:
    return Texts(corpus, KNOWN, REQUIRED, TextOptions(**options), seed=seed)  # type: ignore[arg-type]


def all_of(found: Texts, count: int | None = None) -> list[str]:
    return [found[number] for number in range(count or len(found))]


def test_white_space_is_one_space_and_empty_lines_are_none(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeff 天 \t地\r\n\r\n\u3000玄\u3000黄\n".encode())
    assert read_corpus(path) == ["天 地", "玄 黄"]


@pytest.mark.parametrize(
    ("content", "what"), [("天".encode("gb18030"), "invalid UTF-8"), (b" \n", "has no text")]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what) as refused:
        read_corpus(path)
    assert str(path) in str(refused.value)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError):
        read_corpus(tmp_path / "pipe")


@pytest.mark.parametrize(("shortest", "longest"), [(0, 5), (6, 5), (1, 257)])
def test_lengths_out_of_range_are_refused(shortest: int, longest: int) -> None:
    with pytest.raises(InputError, match="--min-length"):
        TextOptions(shortest, longest)


def test_each_stretch_of_the_corpus_is_taken_once_and_then_again() -> None:
    corpus = ["天地" * 30, "玄黄，天", "地"]
    found = texts(*corpus, max_length=7)
    once = all_of(found)
    assert Counter("".join(once)) == Counter("".join(corpus))
    assert all(1 <= len(one) <= 7 for one in once)
    assert all(any(one in line for line in corpus) for one in once)
    assert len({len(one) for one in once}) > 3
    again = [found[len(found) + number] for number in range(len(found))]
    assert sorted(again) == sorted(once)
    assert again != once
    assert all_of(texts(*corpus, max_length=7)) == once
    assert all_of(texts(*corpus, max_length=7, seed=1)) != once


def test_a_line_ends_at_a_character_without_images() -> None:
    found = texts("天地猫玄狗黄天", "猫天 地", min_length=2)
    assert sorted(all_of(found)) == ["天 地", "天地", "黄天"]
    assert found.missing == {"猫": 2, "狗": 1}
    assert found.left_out == 1  # 玄
    assert list(found.charset) == sorted("天地黄")


def test_no_line_has_punctuation_alone_or_begins_with_it() -> None:
    found = texts("猫，，猫。天地猫， 玄")
    assert sorted(all_of(found)) == ["天地", "玄"]
    assert all(one[0] != "，" for one in all_of(texts("天，地，玄，黄，" * 20, max_length=5)))


def test_balanced_texts_have_each_character_as_often() -> None:
    found = texts("天" * 990 + "地玄黄猫", max_length=10, sampling="balanced")
    counts = Counter("".join(all_of(found, 1000)))
    assert counts.keys() == set("天地玄黄")
    assert min(counts.values()) > 0.85 * max(counts.values())
    assert {len(one) for one in all_of(found, 1000)} == set(range(1, 11))
    assert len(found) == round(993 / 5.5)
    assert found[17] == texts("天地玄黄", max_length=10, sampling="balanced")[17]


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_a_corpus_of_which_nothing_remains_is_refused(sampling: str) -> None:
    with pytest.raises(InputError, match="2 of 3 characters of the corpus have no images: 猫狗"):
        texts("猫狗，猫", sampling=sampling)


def test_a_number_is_not_cut_where_lengths_allow() -> None:
    text = "天地玄黄" * 4 + "1,234.50" + "天地玄黄" * 8
    for seed in range(30):
        lines = list(cut(text, 15, 25, np.random.default_rng(seed)))
        assert "".join(lines) == text
        assert any("1,234.50" in line for line in lines)
    assert next(cut("1" * 9, 3, 5, np.random.default_rng(0))) == "111"  # a longer one is
