# SPDX-License-Identifier: GPL-2.0-only
import errno
import os

import pytest

from harness.errors import of_machine


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EIO])
def test_what_the_machine_refuses_says_where_and_what_to_do(code: int) -> None:
    refused = of_machine(OSError(code, os.strerror(code), "/some/file"))
    assert refused is not None
    assert refused.exit_code == 69
    assert str(refused).startswith("/some/file: ")
    assert refused.hint


def test_any_other_error_is_a_defect() -> None:
    assert of_machine(OSError(errno.ENOENT, "", "/some/file")) is None
    assert of_machine(OSError("without a number")) is None


def test_a_place_can_be_given_where_the_error_has_none() -> None:
    refused = of_machine(OSError(errno.ENOSPC, ""), "/log")
    assert refused is not None
    assert refused.where == "/log"
