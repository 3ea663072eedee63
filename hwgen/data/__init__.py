"""Stores as batches: data order, images in memory or streamed, grey values as floats."""

from hwgen.data.image_sets import ImageSet, ResidentImages, StreamedImages, open_images, window_of
from hwgen.data.loaders import Batches, StoreDataset
from hwgen.data.order import Balanced, Chosen, Order, Shuffled
from hwgen.data.pixels import average_down, to_float, to_images, to_tensor, to_uint8

__all__ = [
    "Balanced",
    "Batches",
    "Chosen",
    "ImageSet",
    "Order",
    "ResidentImages",
    "Shuffled",
    "StoreDataset",
    "StreamedImages",
    "average_down",
    "open_images",
    "to_float",
    "to_images",
    "to_tensor",
    "to_uint8",
    "window_of",
]
