"""Noticing that one input holds a training and a test set, which must not be mixed unseen."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hwgen.errors import InputError

# Where a word may begin: not within another, except in "MyTrain".
_BEGIN = r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
_SPLITS = {
    "training": re.compile(_BEGIN + r"(?i:train|training|trn|data_batch)(?![a-z])|训练|訓練|学習"),
    "test": re.compile(
        _BEGIN
        + r"(?i:test|testing|tst|t10k|val|valid|validation|dev|development|eval|evaluation"
        + r"|h[eo]ld[-_]?out)(?![a-z])|测试|測試|テスト|验证|驗證|検証|校验|评估|評価|开发集"
    ),
}


def split_of(name: str) -> str:
    """`training` or `test`, as the last such word in a path says; "" if there is none."""
    last = {split: [m.start() for m in words.finditer(name)] for split, words in _SPLITS.items()}
    places = {split: starts[-1] for split, starts in last.items() if starts}
    return max(places, key=lambda split: places[split]) if places else ""


def refuse_mixed(names: Iterable[str], where: str) -> None:
    """Refuse one input that holds a training and a test set, such as HWDB1.0trn and HWDB1.0tst.

    Args:
        names: of its files or collections.
        where: the input.

    Raises:
        InputError: some names are of a training set, and others of a test set.
    """
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(split_of(name), name)
    if first.keys() >= _SPLITS.keys():
        raise InputError(
            f"contains a training and a test set: {first['training']} and {first['test']}",
            where=where,
            remedy="Give one of them; to mix them, give both as inputs",
        )
