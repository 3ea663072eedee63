"""Data augmentation for handwritten Chinese character recognition, from CASIA files to samples.

    store = hwgen.Store("train")                           Records: images with their labels
    data = hwgen.StoreDataset("train", transform=...)      the same as a torch Dataset
    generator = hwgen.load_generator("runs/first")         .sample("永和", hand=3, seed=0)
    recogniser = hwgen.load_recogniser("x.safetensors")    .predict(images)
    augmentation = hwgen.Augmentation(rotate=10)           an nn.Module
    hwgen.save_grid(images, "grid.png", columns=8)

docs/python.md shows all of them. The names in `__all__` are imported on first use, so that
importing hwgen imports neither numpy nor torch. Their types are in `__init__.pyi`.
"""

import importlib

__version__ = "0.2.0"

_MODULES = {
    "Augmentation": "hwgen.recogniser.augmentation",
    "Charset": "hwgen.charset",
    "Framing": "hwgen.imaging.framing",
    "GeneratedDataset": "hwgen.generators.dataset",
    "HwgenError": "hwgen.errors",
    "Ink": "hwgen.imaging.ink",
    "PixelRange": "hwgen.pixel_range",
    "PrepareOptions": "hwgen.prepare",
    "Recogniser": "hwgen.recogniser.inference",
    "Record": "hwgen.record",
    "Sampler": "hwgen.generators.gan.sampling",
    "Store": "hwgen.store",
    "StoreDataset": "hwgen.data",
    "StoreWriter": "hwgen.store",
    "load_generator": "hwgen.generators.base",
    "load_recogniser": "hwgen.recogniser.loading",
    "prepare_gnt": "hwgen.prepare",
    "prepare_images": "hwgen.prepare",
    "prepare_pot": "hwgen.prepare",
    "prepare_strokes": "hwgen.prepare",
    "save_grid": "hwgen.imaging.contact_sheets",
    "text_image": "hwgen.lines.text_images",
}

__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'hwgen' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
