from pathlib import Path

import pytest

from hwgen.charset import Charset
from hwgen.imaging.framing import Framing
from hwgen.prepare import prepare_gnt, prepare_images, prepare_strokes
from hwgen.prepare.places import paths_of
from hwgen.sources.simulation.gnt_folder import simulate
from hwgen.store import Store
from tests.image_files import write_photos
from tests.strokes import Drawn


def test_one_input_or_several() -> None:
    assert paths_of("a.zip") == paths_of(Path("a.zip")) == [Path("a.zip")]
    assert paths_of(["a", Path("b")]) == [Path("a"), Path("b")]
    assert paths_of([]) == []


class Filed(Drawn):
    """The same strokes, with a file."""

    path = Path("strokes.txt")


def test_paths_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Filed.path.write_text("十", encoding="utf-8")
    charset = Charset(("十",))
    simulate(Path("raw"), characters=["十"], writers=range(1, 3), seed=0, strokes=Drawn())
    write_photos(tmp_path)

    prepare_gnt("raw", "gnt", framing=Framing(8))
    prepare_images(["photos"], "images", framing=8)
    prepare_strokes(Filed(), "strokes", charset=charset, writers=range(2), framing=Framing(8))

    assert [len(Store(name)) for name in ("gnt", "images", "strokes")] == [2, 3, 2]
