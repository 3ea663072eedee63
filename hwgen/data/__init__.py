"""Stores as batches: data order, images in memory or streamed, grey values as floats."""

from hwgen.data.image_sets import (
    ImageSet,
    ImagesInMemory,
    ResidentImages,
    StreamedImages,
    open_images,
    window_of,
)
from hwgen.data.loaders import Batches, StoreDataset, parts_of
from hwgen.data.order import Balanced, Chosen, Order, Shuffled, make_order
from hwgen.data.pixels import average_down, enlarge, to_float, to_images, to_tensor, to_uint8

__all__ = [
    "Balanced",
    "Batches",
    "Chosen",
    "ImageSet",
    "ImagesInMemory",
    "Order",
    "ResidentImages",
    "Shuffled",
    "StoreDataset",
    "StreamedImages",
    "average_down",
    "enlarge",
    "make_order",
    "open_images",
    "parts_of",
    "to_float",
    "to_images",
    "to_tensor",
    "to_uint8",
    "window_of",
]
