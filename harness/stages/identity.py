# SPDX-License-Identifier: GPL-2.0-only
"""What tells a side from base, as raw facts: files, options, sizes of symbols.

Whether that is the series and nothing else is for others to judge.
"""

import contextlib
import hashlib
from pathlib import Path

import msgspec

from harness.cache import Cache
from harness.model.record import Side
from harness.parse.kconfig import options
from harness.parse.symbols import changed, sizes
from harness.proc import Deadline
from harness.tools import bwrap
from harness.tools.binutils import Binutils
from harness.tools.git import Git

GIT_S = 120


class Built(msgspec.Struct, frozen=True):
    """A side as it was built: the binary whose symbols count, and the .config, where it is kept."""

    side: Side
    binary: Path
    config: Path | None


def beside(cache: Cache, base: Built, built: Built) -> Side:
    """Return a side of the record with what tells it from base; nothing does for base itself."""
    binutils = Binutils(cache.log("identity"), confined=bwrap.works(cache))
    before, after = (sizes(binutils.sizes(b.binary)) for b in (base, built))
    told = msgspec.structs.replace(
        built.side,
        files=_files(cache, base.side.commit, built.side.commit),
        symbols=changed(before, after),
    )
    theirs, ours = (_options(b.config) for b in (base, built))
    if theirs is None or ours is None:
        return told
    return msgspec.structs.replace(
        told,
        options_sha256=hashlib.sha256("\n".join(sorted(ours)).encode()).hexdigest(),
        config_diff=(
            *(f"-{line}" for line in sorted(theirs - ours)),
            *(f"+{line}" for line in sorted(ours - theirs)),
        ),
    )


def _files(cache: Cache, base: str, commit: str) -> tuple[str, ...] | None:
    """The files that differ; None on a machine that was given the kernels without the commits."""
    git = Git(cache.repository, log=cache.log("identity"), deadline=Deadline(GIT_S))
    if not git.has_commit(base) or not git.has_commit(commit):
        return None
    names = git("diff", "--no-renames", "--name-only", "-z", base, commit).stdout
    return tuple(sorted(name for name in names.split("\0") if name))


def _options(config: Path | None) -> frozenset[str] | None:
    """A .config's options; None where it is not kept, or is kept no more."""
    if config is None:
        return None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return options(config.read_text(encoding="utf-8"))
    return None
