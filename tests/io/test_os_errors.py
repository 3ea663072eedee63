import errno
import os

import pytest

from hwgen.io.os_errors import DISK_FULL, reason, remedy


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, DISK_FULL),
        (errno.EDQUOT, DISK_FULL),
        (errno.EACCES, "Change the permissions"),
        (errno.EPERM, "Change the permissions"),
        (errno.EMFILE, "ulimit -n 4096"),
        (errno.ENFILE, "Close other programs"),
        (errno.EROFS, "read-only; choose another path"),
    ],
)
def test_what_to_do_depends_on_what_was_refused(number: int, said: str) -> None:
    error = OSError(number, os.strerror(number), "/some/where")
    assert said in remedy(error, "Else")
    assert reason(error) == os.strerror(number)


def test_what_nobody_can_tell_has_the_other_remedy() -> None:
    assert remedy(OSError(errno.ENOENT, "No such file"), "Else") == "Else"
    assert remedy(ValueError("no number"), "Else") == "Else"
    assert reason(ValueError("no number")) == "no number"
    assert reason(OSError("bare")) == "bare"
