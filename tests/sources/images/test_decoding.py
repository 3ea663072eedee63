import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.errors import InputError
from hwgen.sources.images.decoding import (
    FORMATS,
    MAX_PIXELS,
    decode,
    decode_first,
    looks_like_image,
)
from tests.image_files import encoded, photo

RED_DOT = np.zeros((3, 4, 4), np.uint8)
RED_DOT[1, 2] = 255, 0, 0, 255


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG that says how large it is, and ends where its pixels begin."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_their_pixels(kind: str) -> None:
    np.testing.assert_array_equal(decode(encoded(photo(1), kind), 3), photo(1))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_come_near(kind: str) -> None:
    flat = np.full((16, 16, 3), (200, 90, 30), np.uint8)
    assert np.abs(decode(encoded(flat, kind), 3).astype(int) - flat).max() <= 4


def test_grey_becomes_colour_and_colour_grey() -> None:
    grey = photo(2)[:, :, 0]
    np.testing.assert_array_equal(decode(encoded(grey), 1), grey)
    np.testing.assert_array_equal(decode(encoded(grey), 3), np.stack([grey] * 3, axis=2))
    luma = photo(2) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(decode(encoded(photo(2)), 1), luma, atol=1)


def test_what_is_transparent_is_paper() -> None:
    expected = np.full((3, 4, 3), 255, np.uint8)
    expected[1, 2] = 255, 0, 0
    np.testing.assert_array_equal(decode(encoded(RED_DOT), 3), expected)
    palette = PilImage.fromarray(RED_DOT).quantize()
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")
    np.testing.assert_array_equal(decode(buffer.getvalue(), 3), expected)


def test_sixteen_bits_keep_their_greys() -> None:
    deep = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    np.testing.assert_array_equal(decode(encoded(deep), 1), deep >> 8)


def deep_png(values: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits, uint16 [h, w, channels]."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_few_bits_in_sixteen_are_refused_where_they_would_be_black(
    colour_type: int, channels: int
) -> None:
    values = np.random.default_rng(0).integers(0, 1 << 16, (8, 8, channels), np.uint16)
    if channels in (2, 4):
        values[..., -1] = 0xFFFF  # opaque
    assert decode(deep_png(values, colour_type), 1).max() > 128
    for bits in (8, 10, 12):
        few = values >> (16 - bits)
        if channels in (2, 4):
            few[..., -1] = 0xFFFF
        with pytest.raises(InputError, match="16-bit pixels, all below a quarter of white"):
            decode(deep_png(few, colour_type), 3)


def test_a_deep_tiff_whose_white_is_zero_is_not_inverted() -> None:
    deep = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    data = encoded(deep, "TIFF", tiffinfo={262: 0})
    np.testing.assert_array_equal(decode(data, 1), 255 - (deep >> 8))


def on_alpha(ink: int, mode: str) -> bytes:
    """A stroke on a transparent ground."""
    image = PilImage.new(mode, (8, 8), 0)
    stroke = PilImage.new("L", (8, 8), ink)
    stroke.putalpha(255)
    image.paste(stroke.convert(mode).crop((0, 0, 8, 2)), (0, 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_ink_on_a_transparent_ground_is_seen_or_refused(mode: str) -> None:
    dark, light = decode(on_alpha(0, mode), 1), decode(on_alpha(255, mode), 1, ground=0)
    np.testing.assert_array_equal(dark, 255 - light)
    assert (dark == 0).sum() == 16
    with pytest.raises(InputError, match=r"white ink on a transparent ground.* --invert is needed"):
        decode(on_alpha(255, mode), 1)
    with pytest.raises(InputError, match=r"black ink on a transparent ground.* --invert is wrong"):
        decode(on_alpha(0, mode), 1, ground=0)


def test_blank_pages_with_alpha_are_blank_pages() -> None:
    for alpha in (0, 255):
        page = np.full((4, 4, 4), 255, np.uint8)
        page[..., 3] = alpha
        assert (decode(encoded(page), 1) == 255).all()


def several(kind: str, **options: object) -> bytes:
    pages = [PilImage.fromarray(photo(n)) for n in range(3)]
    buffer = io.BytesIO()
    pages[0].save(buffer, kind, save_all=True, append_images=pages[1:], **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind", [kind for kind in FORMATS if kind in ("AVIF", "GIF", "TIFF", "PNG", "WEBP")]
)
def test_further_pages_and_frames_are_counted(kind: str) -> None:
    assert decode_first(several(kind), 1).further == 2
    assert decode_first(encoded(photo(0), kind), 1).further == 0


def test_previews_in_a_tiff_are_no_pages() -> None:
    assert decode_first(several("TIFF", tiffinfo={254: 1}), 1).further == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_is_known_by_its_first_bytes(kind: str) -> None:
    assert looks_like_image(io.BytesIO(encoded(photo(0), kind)))


@pytest.mark.parametrize(
    "data", [b"", b"P", b"P5 is not a header", b"RIFF1234WAVE", b"BM", b"text"]
)
def test_other_files_are_not_taken_for_images(data: bytes) -> None:
    assert not looks_like_image(io.BytesIO(data))


def test_floats_are_refused() -> None:
    with pytest.raises(InputError, match="mode F"):
        decode(encoded(np.zeros((4, 4), np.float32), "TIFF"), 1)


def test_a_photograph_stands_upright() -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    image = np.zeros((16, 8, 3), np.uint8)
    image[:8] = 255
    turned = decode(encoded(image, "JPEG", exif=exif, quality=100), 3)
    assert turned.shape == (8, 16, 3)
    np.testing.assert_allclose(turned, np.rot90(image, -1), atol=3)


def test_damaged_notes_do_not_lose_the_image() -> None:
    data = encoded(photo(4), "JPEG", exif=b"Exif\0\0garbage!")
    assert decode(data, 3).shape == photo(4).shape


def test_the_first_image_of_an_animation_is_taken() -> None:
    frames = [PilImage.new("L", (5, 4), value) for value in (9, 99)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert (decode(buffer.getvalue(), 1) == 9).all()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no bytes"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "an unknown format"),
        (b"text", "an unknown format"),
        (encoded(photo(5), "JPEG")[:-40], "truncated"),
        (encoded(photo(5))[:80], "truncated"),
        (png_header(4097, 4096), "4097 x 4096 pixels"),
        (png_header(60000, 60000), "far too many pixels"),
    ],
)
def test_what_is_no_image_says_so(data: bytes, found: str) -> None:
    with pytest.raises(InputError, match=found):
        decode(data, 3)


def test_the_bound_itself_is_allowed() -> None:
    with pytest.raises(InputError, match=r"truncated|broken"):  # not for its size
        decode(png_header(4096, MAX_PIXELS // 4096), 3)


def test_any_damage_is_one_error() -> None:
    rng = np.random.default_rng(0)
    sound = [encoded(photo(n), kind) for n, kind in enumerate(FORMATS)]
    refused = 0
    for turn in range(700):
        data = bytearray(sound[turn % len(sound)])
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        try:
            assert decode(bytes(data), 1).ndim == 2
        except InputError:
            refused += 1
    assert refused > 50
