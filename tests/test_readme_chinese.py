"""README.zh-CN.md says what README.md says: the same commands, numbers and links."""

import re
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![A-Za-z0-9_.-])[-+]?\d[\d,]*(?:\.\d+)?")
"""Also within Chinese text; not the 32 of glyph-32."""


def sections(page: str) -> list[str]:
    """What is before the first heading of level 2, and each section."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in (ENGLISH, CHINESE):
        text = re.sub(rf"\[[^\]]+\]\({re.escape(link)}\)", "", text)
    return re.split(r"^## ", text, flags=re.MULTILINE)


def code(text: str) -> list[tuple[str, str]]:
    """Language and code of the blocks, without comments."""
    return [(language, re.sub(r" *#.*", "", body)) for language, body in BLOCK.findall(text)]


def rows(text: str) -> list[list[str]]:
    """The numbers of each row of a table, and how many cells it has."""
    lines = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    return [[*NUMBER.findall(line), f"{line.count('|')} cells"] for line in lines]


def numbers(text: str) -> list[str]:
    """Numbers outside code and tables, sorted."""
    prose = re.sub(r"^\|.*\|$", "", BLOCK.sub("", text), flags=re.MULTILINE)
    prose = re.sub(r"\]\([^)]*\)", "", prose)
    return sorted(NUMBER.findall(prose))


def links(text: str) -> list[str]:
    """Targets of links and images, sorted."""
    return sorted(re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", text)))


def quotes(text: str) -> list[str]:
    """What is in backticks outside blocks, sorted."""
    return sorted(re.findall(r"`([^`]+)`", BLOCK.sub("", text)))


PAIRS = list(zip_longest(sections(ENGLISH), sections(CHINESE), fillvalue=""))


@pytest.mark.parametrize("part", [code, rows, numbers, links, quotes])
@pytest.mark.parametrize(
    ("english", "chinese"), PAIRS, ids=[one.split("\n")[0] for one, _ in PAIRS]
)
def test_a_section_is_the_same_in_both_languages(
    part: Callable[[str], object], english: str, chinese: str
) -> None:
    assert part(chinese) == part(english)


def test_each_page_links_to_the_other_in_its_first_lines() -> None:
    for page, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        head = (ROOT / page).read_text(encoding="utf-8").splitlines()[:10]
        assert any(f"]({other})" in line for line in head), page


def test_differences_are_found() -> None:
    table = "| a | 1.5 % |\n|---|---:|\n"
    assert rows(table) == [["1.5", "3 cells"], ["3 cells"]]
    assert rows(table.replace("1.5", "1.6")) != rows(table)
    assert code("```sh\nmake demo  # eight\n```\n") == code("```sh\nmake demo\n```\n")
    assert code("```sh\nmake demo\n```\n") != code("```sh\nmake test\n```\n")
    assert numbers("gains 2 to 3 points, 1,000 `x-32` [5](6.md)") == ["1,000", "2", "3", "5"]
    assert numbers("获得2到-3个百分点") == numbers("-3 2")
    assert links("[a](b.md) ![c](d.png)") == ["b.md", "d.png"]
    assert quotes("`a` and `b`") == ["a", "b"]
