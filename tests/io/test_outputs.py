import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwgen.errors import InputError
from hwgen.imaging.contact_sheets import check_sheet, copy_sheet, save_sheet
from hwgen.io.neighbours import lock_path, temporary_path
from hwgen.io.outputs import check_output_file, is_marked
from tests.foreign import FOREIGN, assert_untouched, put

IMAGES = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_hwgen_did_not_write_is_not_replaced(kind: str, tmp_path: Path) -> None:
    mine = put(kind, tmp_path / "x.png")
    with pytest.raises(InputError, match=r"did not write it|is not a file|link to nothing"):
        check_output_file(mine, (".png",))
    assert_untouched(kind, mine)


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("place", [temporary_path, lock_path])
def test_foreign_neighbours_are_refused_before_the_work(
    place: type, kind: str, tmp_path: Path
) -> None:
    if place is temporary_path and kind == "file":
        return  # marked by its name
    put(kind, place(tmp_path / "x.png"))
    with pytest.raises(InputError, match=r"did not make it\)\. Move it away"):
        check_output_file(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_sheets_have_the_format_of_their_suffix_and_are_replaced(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    for _ in range(2):
        check_sheet(path)
        save_sheet(path, IMAGES, 2)
    with Image.open(path) as image:
        assert image.format == ("PNG" if suffix == ".png" else "JPEG")
    assert is_marked(path)
    grid = tmp_path / "grid.png"
    save_sheet(grid, IMAGES, 2)
    copy_sheet(grid, path)
    assert is_marked(path)
    grid.write_bytes(grid.read_bytes()[:60])
    with pytest.raises(InputError, match=r"grid\.png: is not a readable PNG"):
        copy_sheet(grid, path)


@pytest.mark.parametrize("name", ["x.gif", "x.pdf", "x", ".png", "x.png.bak"])
def test_other_formats_are_refused_with_those_that_are_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end in \.png or \.jpg or \.jpeg.*another --sheet"):
        check_sheet(tmp_path / name)
    check_sheet(None)


def test_a_users_image_is_kept_and_an_empty_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(IMAGES[0]).save(path)
    with pytest.raises(InputError, match=r"hwgen did not write it\. Move it away, or give another"):
        check_sheet(path)
    path.write_bytes(b"")  # of mktemp
    check_sheet(path)


def test_folders_above_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_output_file(tmp_path / "new" / "deep" / "x.png")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written \(.*ot a "):
        check_output_file(tmp_path / "file" / "x.png")
    with pytest.raises(InputError, match=r"cannot be written \(.*too long"):
        check_output_file(tmp_path / ("x" * 256))
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(InputError, match=r"may not be written\)\. Change the permissions"):
        check_output_file(tmp_path / "x.png")
