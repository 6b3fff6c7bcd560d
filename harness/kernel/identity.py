# SPDX-License-Identifier: GPL-2.0-only
"""What tells a build from base, as raw facts: files, options, sizes of symbols.

Whether that is the series and nothing else is for others to judge.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.process import Deadline
from harness.kernel.binutils import Binutils
from harness.kernel.kconfig import options
from harness.kernel.symbols import changed, sizes
from harness.record.record import Build

GIT_S = 120


class Built(msgspec.Struct, frozen=True):
    """A build as it was built: the binary whose symbols count, and the .config, where it is
    kept."""

    build: Build
    binary: Path
    config: Path | None


def told_apart(cache: Cache, built: Sequence[Built]) -> tuple[Build, ...]:
    """Return the builds of the record with what tells each from base, which is the first."""
    binutils = Binutils(cache.log("identity"), cache.sandbox)
    symbols = [sizes(binutils.sizes(one.binary)) for one in built]
    options_of = [_options(one.config) for one in built]
    base = built[0].build.commit
    told = []
    for one, its_symbols, its_options in zip(built, symbols, options_of, strict=True):
        build = msgspec.structs.replace(
            one.build,
            files=_files(cache, base, one.build.commit),
            symbols=changed(symbols[0], its_symbols),
        )
        told.append(_with_options(build, options_of[0], its_options))
    return tuple(told)


def _with_options(build: Build, base: frozenset[str] | None, its: frozenset[str] | None) -> Build:
    if base is None or its is None:
        return build
    return msgspec.structs.replace(
        build,
        options_sha256=hashlib.sha256("\n".join(sorted(its)).encode()).hexdigest(),
        config_diff=(
            *(f"-{line}" for line in sorted(base - its)),
            *(f"+{line}" for line in sorted(its - base)),
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
