import pytest

from hwgen.errors import InputError
from hwgen_cli.recipe_changes import recipe_changes


def test_options_and_sets_become_fields() -> None:
    options = {"--images": 8, "--loss": "lsgan-eq8", "--lr": 0.1, "--batch": None}
    changes = recipe_changes(options, ["loss.a=-1", "preset=a=b"])
    assert changes == {
        "images": "8",
        "loss": "lsgan-eq8",
        "lr": "0.1",
        "loss.a": "-1",
        "preset": "a=b",
    }
    assert recipe_changes({"--steps": 3}, []) == {}


@pytest.mark.parametrize(
    ("options", "sets", "same"),
    [
        ({"--images": 8, "--steps": 2}, [], "--images and --steps set"),
        (
            {"--images": 8, "--steps": 2, "--epochs": 1},
            [],
            "--images and --steps and --epochs set",
        ),
        ({"--epochs": 8}, ["images=3"], "--epochs and --set images=3 set"),
        ({"--images": 8}, ["images=8"], "--images and --set images=8 set"),
        ({"--lr": 1e-3}, ["optimizer.lr_d=1"], "--lr and --set optimizer.lr_d=1 set"),
        ({"--loss": "gan"}, ["loss=gan"], "--loss and --set loss=gan set"),
    ],
)
def test_two_that_set_the_same_are_refused(
    options: dict[str, object], sets: list[str], same: str
) -> None:
    with pytest.raises(InputError, match=rf"{same} the same\. Give one of them"):
        recipe_changes(options, sets)


def test_a_set_without_a_value_is_refused() -> None:
    with pytest.raises(InputError, match="--set ema is not FIELD=VALUE"):
        recipe_changes({}, ["ema"])
