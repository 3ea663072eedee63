"""How often the encoding of names is recognised, refused, and mistaken, by their number.

    python -m benchmarks.encodings --out DIR [--gaps 8.2 12] [--repeats 600]

Writes DIR/encodings.json and DIR/encodings.md: for random subsets of names in each encoding, the
percentages recognised / refused / mistaken, for several minimum gaps in bits between the shortest
reading and the next (see hwgen.io.encodings). Two minutes on one core.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.io.encodings import MIN_GAP, readings
from hwgen.io.json_files import write_json

COUNTS = (1, 2, 3, 5, 10, 20, 100)
"""Numbers of names in a subset."""

GERMAN = (
    "Müller Größe Straße Übung Ärger Öl über für grün schön Käse Fuß Mädchen Bücher Löwe Rübe Höhe "
    "Zürich Köln Schüler"
)
RUSSIAN = "Тест папка Буква данные символы Москва слово почерк писатель образ"
WORDS = (
    "手写 汉字 数据 图片 训练 测试 样本 中文 识别 字符 张三 李四 王五 中国 北京 上海 手写汉字 "
    "测试集 训练集"
)


def characters(codec: str, leads: Iterable[int]) -> list[str]:
    """The Chinese characters of a two-byte encoding with these first bytes."""
    cells = (bytes((lead, trail)) for lead in leads for trail in range(0x40, 0xFF))
    decoded = (cell.decode(codec, "ignore") for cell in cells)
    return [char for char in decoded if len(char) == 1 and "\u4e00" <= char <= "\u9fff"]


GB_1, GB_2 = characters("gb2312", range(0xB0, 0xD8)), characters("gb2312", range(0xD8, 0xF8))
BIG5_1, BIG5_2 = characters("cp950", range(0xA4, 0xC7)), characters("cp950", range(0xC9, 0xFA))
SETS: dict[str, tuple[str, Sequence[str]]] = {
    "GBK: GB 2312 level 1": ("gb18030", GB_1),
    "GBK: GB 2312 levels 1 and 2": ("gb18030", GB_1 + GB_2),
    "GBK: all of it": ("gb18030", characters("gbk", range(0x81, 0xFF))),
    "GBK: words": ("gb18030", WORDS.split()),
    "UTF-8: GB 2312 level 1": ("utf-8", GB_1),
    "UTF-8: words": ("utf-8", WORDS.split()),
    "Big5: level 1": ("cp950", BIG5_1),
    "Big5: levels 1 and 2": ("cp950", BIG5_1 + BIG5_2),
    "cp932: level 1": ("cp932", characters("cp932", range(0x88, 0x98))),
    "cp437: German": ("cp437", GERMAN.split()),
    "cp1252: German": ("cp1252", GERMAN.split()),
    "cp866: Russian": ("cp866", RUSSIAN.split()),
    "cp1251: Russian": ("cp1251", RUSSIAN.split()),
}
"""Codec and names of each set."""


def margin(names: Sequence[str], codec: str) -> tuple[bool, float]:
    """Whether the shortest reading is right, and its gap to the next different one in bits."""
    raw = [name.encode(codec) for name in names]
    fitting = sorted((bits, other) for other, bits in readings(raw).items())
    if not fitting:
        return True, 0.0
    best, found = fitting[0]
    text = [one.decode(found) for one in raw]
    gaps = (bits - best for bits, other in fitting if [one.decode(other) for one in raw] != text)
    return text == list(names), next(gaps, float("inf"))


def measure(codec: str, pool: Sequence[str], repeats: int, gaps: Sequence[float]) -> list[str]:
    """For each number of names, such as `54/46/0, 12/88/0`: one group per gap."""
    rng = random.Random(0)
    cells = []
    for count in COUNTS:
        if count > len(pool):
            cells.append("")
            continue
        found = [margin(rng.sample(pool, count), codec) for _ in range(repeats)]
        groups = []
        for least in gaps:
            right = sum(is_right and gap >= least for is_right, gap in found) / repeats
            wrong = sum(not is_right and gap >= least for is_right, gap in found) / repeats
            groups.append(f"{right:.0%}/{1 - right - wrong:.0%}/{wrong:.1%}".replace("%", ""))
        cells.append(", ".join(groups))
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all sets and write the results."""
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gaps", type=float, nargs="+", default=[MIN_GAP])
    parser.add_argument("--repeats", type=int, default=600)
    options = parser.parse_args(arguments)
    rows = {
        name: measure(codec, pool, options.repeats, options.gaps)
        for name, (codec, pool) in SETS.items()
    }
    options.out.mkdir(parents=True, exist_ok=True)
    result = {
        **provenance(__file__, arguments),
        "repeats": options.repeats,
        "gaps_bits": options.gaps,
        "names": COUNTS,
        "recognised_refused_mistaken_percent": rows,
    }
    write_json(options.out / "encodings.json", result)
    head = f"| names | {' | '.join(map(str, COUNTS))} |\n|---|{'---:|' * len(COUNTS)}\n"
    table = head + "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows.items())
    (options.out / "encodings.md").write_text(table, encoding="utf-8")
    print(table, end="")


if __name__ == "__main__":
    main()
