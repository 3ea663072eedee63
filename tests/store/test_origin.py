import pytest

from hwgen.store.origin import is_generated, is_synthetic, summary


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({"kind": "synthetic"}, True),
        ({"kind": "images", "synthetic": True}, True),
        ({"kind": "subset", "of_origin": {"kind": "synthetic"}}, True),
        ({"kind": "subset", "of_origin": {"kind": "gnt"}}, False),
        ({"kind": "gnt"}, False),
        ({"kind": "images", "synthetic": "yes"}, False),
        ({"kind": "subset", "of_origin": "synthetic"}, False),
        ({}, False),
    ],
)
def test_what_a_generator_made(origin: dict[str, object], expected: bool) -> None:
    assert is_synthetic(origin) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({"kind": "strokes"}, True),
        ({"kind": "simulated"}, True),
        ({"kind": "synthetic", "generated": True}, True),
        ({"kind": "subset", "of_origin": {"kind": "strokes"}}, True),
        ({"kind": "synthetic"}, False),
        ({"kind": "synthetic", "generated": "yes"}, False),
        ({"kind": "subset", "of_origin": {"kind": "gnt"}}, False),
        ({"kind": "images", "synthetic": True, "simulated": True}, False),
        ({}, False),
    ],
)
def test_what_is_certainly_without_real_pixels(origin: dict[str, object], expected: bool) -> None:
    assert is_generated(origin) == expected


def test_a_summary_has_no_folders_and_stays_short() -> None:
    files = [{"name": f"home/me/a.zip!in/{n}.gnt", "bytes": 1} for n in range(3)]
    files += [{"name": f"scans/{n:03d}.gnt", "bytes": 1} for n in range(40)]
    origin = {
        "kind": "gnt",
        "limit": None,
        "files": files,
        "framing": {"size": 64, "stretch": False, "filter": "bilinear"},
        "charset": ["一"] * 4000,
    }
    told = summary(origin)
    assert told["file_count"] == 41
    assert told["files"][:2] == ["a.zip", "000.gnt"]
    assert len(told["files"]) == 12
    assert told["framing"] == {"size": 64, "stretch": False, "filter": "bilinear"}
    assert set(told) == {"kind", "file_count", "files", "framing"}
    part = summary({"kind": "subset", "records": 3, "of_origin": origin})
    assert part == {"kind": "subset", "of_origin": told}


def test_a_strangers_origin_is_summed_up_too() -> None:
    odd = {"kind": ["x"], "framing": [], "files": [3, {"name": "y" * 999}], "of_origin": 1}
    assert summary(odd) == {"file_count": 1, "files": ["y" * 120]}
    assert summary({"provenance": "y" * 999, "framing": {"size": {}}}) == {"framing": {}}
