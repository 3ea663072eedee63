"""The generator that `hwgen lift --generator` names: a preset, or a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwgen.experiments.lift.generators import Generator
    from hwgen.store import Store


def generator_of(name: str, images: int | None, train: Store, device: str) -> Generator:
    """The generator of an experiment.

    Args:
        name: a preset, or the path of a finished run or an exported model.
        images: length of its training in images; None for the preset's.
        train: store of the real samples.
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: no such preset; a run that may have seen the test samples, or to which `images`
            does not apply.
        RunError: the run is damaged or not finished.
    """
    from dataclasses import replace

    from hwgen.experiments.lift.generators import DeformationGenerator, GanGenerator
    from hwgen.generators.deformation.recipe import PRESETS as DEFORMATIONS
    from hwgen.generators.gan.presets import preset
    from hwgen.runs.models import is_model

    if name in DEFORMATIONS:
        recipe = DEFORMATIONS[name]
        if images is not None:
            recipe = replace(recipe, steps=max(1, images // recipe.batch))
        return DeformationGenerator(recipe, device=device)
    place = Path(name)
    if (place / "run.json").is_file() or is_model(place):
        return _trained(place, images, train, device)
    gan = preset(name, also=DEFORMATIONS)
    if images is not None:
        gan = replace(gan, images=images, every=min(gan.every, images))
    return GanGenerator(gan, device)


def _trained(place: Path, images: int | None, train: Store, device: str) -> Generator:
    from hwgen.errors import InputError
    from hwgen.experiments.lift.generators import DeformationGenerator
    from hwgen.generators.deformation.sampling import DeformationSampler
    from hwgen.runs.models import run_or_model

    name = str(place)
    if images is not None:
        raise InputError(
            "is trained already, so --generator-images has no effect",
            where=name,
            remedy="Leave --generator-images out",
        )
    learnt = run_or_model(place)
    if learnt.kind == "gan":
        raise InputError(
            "is a run of a GAN, which may have seen more samples than the recogniser does",
            where=name,
            remedy=f"Give its preset instead: --generator {learnt.recipe.get('preset', 'PRESET')}",
        )
    if not learnt.data.get("content_sha256"):
        raise InputError(
            "does not record its training data, which may include the test samples",
            where=name,
            remedy="Give a run of hwgen train, or a model exported from one",
        )
    DeformationSampler.load(place, train, "cpu")  # fails now rather than after an hour
    return DeformationGenerator(trained=place, device=device)
