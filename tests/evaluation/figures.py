"""Figures of a result and images of a store, as tests of evaluate read them."""

from typing import Any

from hwgen.record import Image
from hwgen.store import Store

COMPARED = ("precision", "recall", "density", "coverage")


def values(result: dict[str, Any]) -> dict[str, float]:
    return {name: figure["value"] for name, figure in result["figures"].items()}


def references(result: dict[str, Any]) -> dict[str, float]:
    return {name: figure["floor"] for name, figure in result["figures"].items()}


def images_of(store: Store) -> dict[str, list[Image]]:
    labels, images = store.labels, store.all_images()
    return {label: list(images[labels == i]) for i, label in enumerate(store.charset)}
