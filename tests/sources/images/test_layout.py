import pytest

from hwgen.errors import InputError
from hwgen.sources.images.layout import CLEAR, Layout, choose_column, class_depth


def folders(*paths: str, images: int = 3) -> dict[tuple[str, ...], int]:
    """Folders of images, or of the number behind a colon."""
    found = {}
    for path in paths:
        name, _, count = path.partition(":")
        found[tuple(filter(None, name.split("/")))] = int(count or images)
    return found


@pytest.mark.parametrize(
    ("depth", "paths"),
    [
        (0, [""]),
        (1, ["永", "和"]),
        (1, ["cat", "dog", ":1"]),  # a preview above the classes
        (2, ["set/永", "set/和", "set:2"]),
        (2, ["字/永"]),
        (2, ["writer1/永", "writer1/和", "writer2/永", "writer2/和"]),
        (2, ["w1/0", "w1/1", "w2/0"]),
        (2, ["w1/U+6C38", "w2/U+6C38"]),
        (2, ["animals/cat", "animals/dog", "things/car"]),
        (2, ["val/cat", "test/cat"]),
        (2, ["TrainPart1/cat", "TrainPart2/cat"]),
    ],
)
def test_the_deepest_folders_are_classes_where_all_are_equally_deep(
    depth: int, paths: list[str]
) -> None:
    assert class_depth(folders(*paths), CLEAR, "x") == depth


@pytest.mark.parametrize(
    ("paths", "message", "readings"),
    [
        (["永/w1", "永/w2", "和/w1"], "the folder w1 occurs in 和 and in 永", (1, 2)),
        (["永/images", "和/images"], "the folder images occurs in", (1, 2)),
        (["fonts/a/cat", "fonts/b/cat"], "cat occurs in fonts/a and in fonts/b", (2, 3)),
        (["4a/hsf_0", "4b/hsf_0"], "the folder hsf_0 occurs in 4a and in 4b", (1, 2)),
        (["永/1", "和/1"], "the folder 1 occurs in 和 and in 永", (1, 2)),
        (["永/w1", "和/w2"], "the folders above w2 are named after characters", (1, 2)),
        (["U+6C38/w1"], "the folders above w1 are named after characters", (1, 2)),
        (["永", "和/w1"], "folders of images lie at several depths", (1, 2)),
        (["永", "永/old"], "folders of images lie at several depths", (1, 2)),
        (["永", "和", "永/old"], "folders of images lie at several depths", (1, 2)),
        ([":9", "a", "b"], "folders of images lie at several depths", (0, 1)),
        ([":1", "永"], "folders of images lie at several depths", (0, 1)),
        (["永", "more/和"], "folders of images lie at several depths", (1, 2)),
    ],
)
def test_what_is_not_clear_is_refused_with_its_readings(
    paths: list[str], message: str, readings: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        class_depth(folders(*paths), CLEAR, "x")
    for depth in readings:
        assert f"--class-depth {depth} for " in caught.value.remedy
        assert class_depth(folders(*paths), Layout(class_depth=depth), "x") == depth


def test_a_depth_without_images_is_refused() -> None:
    with pytest.raises(InputError, match=r"is 3 folders deep\. Give a --class-depth of at most 1"):
        class_depth(folders("永", "和"), Layout(class_depth=3), "x")
    with pytest.raises(InputError, match="class_depth must be at least 0, found -1"):
        Layout(class_depth=-1)


def column(*candidates: str, chosen: str = "") -> str:
    columns = [*candidates, "note"]
    return choose_column(
        candidates, "label", chosen=chosen, usual="label", columns=columns, where="x"
    )


def test_a_column_is_the_chosen_the_usual_or_the_only_one() -> None:
    assert column("text") == "text"
    assert column("coarse", "label", "fine") == "label"
    assert column("coarse", "fine", chosen="fine") == "fine"
    assert column("coarse", "label", chosen="coarse") == "coarse"


@pytest.mark.parametrize(
    ("candidates", "chosen", "message"),
    [
        (
            ("coarse", "fine"),
            "",
            r"several columns of labels: coarse, fine\. Give .*--label-column",
        ),
        (("label", "label"), "", "several columns of labels: label, label"),
        ((), "", r"no column of labels; its columns are note\. Give"),
        (("a", "b"), "c", r"no column of labels with the name 'c'.*another name, such as a"),
        (("a",), "note", r"no column of labels with the name 'note'"),
    ],
)
def test_columns_that_are_not_clear_are_refused(
    candidates: tuple[str, ...], chosen: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        column(*candidates, chosen=chosen)
