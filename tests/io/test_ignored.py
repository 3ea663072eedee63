import pytest

from hwgen.io.ignored import is_hidden, is_ignored


@pytest.mark.parametrize(
    ("path", "ignored", "hidden"),
    [
        ("一/1.png", False, False),
        ("./一/../1.png", False, False),
        (".cache/1.png", True, True),
        ("一/.1.png", True, True),
        ("一/._1.png", True, False),
        ("__MACOSX/一/._1.png", True, False),
        ("一/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", True, False),
        (".thumbnails/1.png", True, False),
        ("一/.ipynb_checkpoints/1-checkpoint.png", True, False),
        ("Thumbs.db", True, False),
        ("$RECYCLE.BIN/1.png", True, False),
        ("lost+found/1.png", True, False),
        ("lost and found/1.png", False, False),
        ("@/1.png", False, False),
    ],
)
def test_hidden_files_and_those_of_systems_are_no_data(
    path: str, ignored: bool, hidden: bool
) -> None:
    assert (is_ignored(path.split("/")), is_hidden(path.split("/"))) == (ignored, hidden)
