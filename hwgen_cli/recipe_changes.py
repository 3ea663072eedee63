"""Changes of a recipe by `--set`, and by the options for its most used fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwgen.errors import InputError

LENGTHS = ("--images", "--steps", "--epochs")
"""Options for the length of training, of which one can be given."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(LENGTHS, ("images", "steps", "epochs")),
    "--batch": ("batch",),
    "--lr": ("lr", "optimizer.lr_g", "optimizer.lr_d", "optimizer"),
    "--snapshot-every": ("every",),
    "--unconditional": ("conditional",),
    "--loss": ("loss",),
}
"""The names for `--set` of what an option sets, its own field first."""

OF_SOME_KINDS: Mapping[str, str] = {
    "--snapshot-every": "every",
    "--loss": "loss",
    "--unconditional": "conditional",
}
"""Those that not every kind of generator has, by its name in GeneratorKind.options."""


def recipe_changes(options: Mapping[str, object], texts: Sequence[str]) -> dict[str, str]:
    """Recipe fields to change, and their new values as texts; see GeneratorKind.recipe.

    Args:
        options: values of those of FIELDS by their names, None for one that is not given. --steps
            and --epochs are only checked: what they are in images depends on batch and data.
        texts: of --set, FIELD=VALUE.

    Raises:
        InputError: a text has another form, or two options set the same.
    """
    for text in texts:
        if "=" not in text:
            raise InputError(f"--set {text} is not FIELD=VALUE", remedy="Example: --set loss.a=-1")
    sets = [(name, value) for name, _, value in (text.partition("=") for text in texts)]
    given = {option: value for option, value in options.items() if value is not None}
    same = [option for option in given if option in LENGTHS]
    for option in given:
        both = [f"--set {name}={value}" for name, value in sets if name in FIELDS[option]]
        same = same if len(same) > 1 or not both else [option, *both]
    if len(same) > 1:
        raise InputError(f"{' and '.join(same)} set the same", remedy="Give one of them")
    own = {
        FIELDS[option][0]: str(value)
        for option, value in given.items()
        if option not in ("--steps", "--epochs")
    }
    return {**own, **dict(sets)}
