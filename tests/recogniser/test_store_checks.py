from collections.abc import Callable
from typing import Any

import pytest

from hwgen.errors import CharsetError, InputError
from hwgen.experiments.lift.subsets import write_subset
from hwgen.recogniser.store_checks import (
    check_alike,
    check_real,
    check_unseen,
    describe_store,
    hashes_of,
    training_hashes,
)
from hwgen.schema import to_json
from hwgen.store import Store

MakeStore = Callable[..., Store]


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (
            {"labels": "一十丨"},
            CharsetError,
            "its 3 classes are not the 3 of the judge in the same",
        ),
        ({"per_class": 0}, InputError, "the store is empty"),
        ({"size": 8}, InputError, "at least 16 pixels, found 8"),
        (
            {"channels": 3},
            InputError,
            "expected 1 channel, found 3. Rerun prepare-images with --grey",
        ),
    ],
)
def test_the_first_store_that_does_not_fit_is_named(
    make_store: MakeStore, other: dict[str, Any], error: type[InputError], message: str
) -> None:
    fits, differs = make_store("fits"), make_store("differs", **other)
    asked: dict[str, Any] = {
        "charset": fits.charset,
        "channels": 1,
        "size": 16,
        "owner": "the judge",
    }
    check_alike([fits, make_store("larger", size=24)], **asked)
    with pytest.raises(error, match=message) as caught:
        check_alike([fits, differs], **asked)
    assert str(differs.path) in str(caught.value)


def test_only_a_real_store_is_real(make_store: MakeStore) -> None:
    check_real(make_store("real"), what="the measure", remedy="Take another")
    with pytest.raises(InputError, match=r"the measure holds synthetic samples.*Take another"):
        check_real(make_store("made", kind="synthetic"), what="the measure", remedy="Take another")


def test_a_store_is_described_by_its_content(make_store: MakeStore) -> None:
    store = make_store("some", per_class=2)
    assert to_json(describe_store(store)) == {
        "path": str(store.path),
        "count": 6,
        "charset_fingerprint": store.charset.fingerprint,
        "content_sha256": store.manifest.content_sha256,
        "made": "real",
    }


@pytest.mark.parametrize(
    "given", [{}, {"decides": 3}, {"decides": {"data": [1]}}, {"decides": {"start": [{}]}}]
)
def test_untrusted_provenance_can_be_anything(make_store: MakeStore, given: dict[str, Any]) -> None:
    check_unseen(make_store("unseen"), given, by="it")
    assert not training_hashes(given)


def test_a_subset_of_a_training_store_is_one_too(make_store: MakeStore) -> None:
    whole = make_store("whole", per_class=3)
    half = write_subset(whole, [0, 1, 4], whole.path.with_name("half"))
    part = write_subset(half, [0, 1], whole.path.with_name("part"))
    hashes = [store.manifest.content_sha256 for store in (part, half, whole)]
    assert hashes_of(part) == set(hashes)
    for seen in hashes:
        with pytest.raises(InputError, match="it was trained on this store"):
            check_unseen(part, {"decides": {"data": {"train": seen}}}, by="it")
    check_unseen(whole, {"decides": {"data": {"train": hashes[0]}}}, by="it")


@pytest.mark.parametrize("of", [["x"], {"y": 1}, 3, None])
def test_origins_of_other_programs_can_be_anything(make_store: MakeStore, of: object) -> None:
    store = make_store("strange")
    store.manifest.origin["of"] = of
    store.manifest.origin["of_origin"] = [of]
    assert hashes_of(store) == {store.manifest.content_sha256}


def test_pretraining_data_counts_as_training_data() -> None:
    first = {"decides": {"data": {"train": "a"}}}
    second = {"decides": {"data": {"train": "b", "synthetic": "c"}, "start": first}}
    assert training_hashes({"decides": {"data": {"train": "d"}, "start": second}}) == set("abcd")
