# SPDX-License-Identifier: GPL-2.0-only
"""Records how a build differs from base: files, options, sizes of symbols."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.git.git import Git
from harness.host.cache import Cache
from harness.host.processes.process import Deadline
from harness.kernel.binutils import Binutils
from harness.kernel.kconfig import options
from harness.kernel.symbols import changed, sizes
from harness.record.record import Build

#: git diff, and nm on each vmlinux.
IDENTITY_S = 600


class Built(msgspec.Struct, frozen=True):
    """A build with its binary, and its .config if there is one."""

    build: Build
    binary: Path
    config: Path | None


def with_differences(cache: Cache, built: Sequence[Built]) -> tuple[Build, ...]:
    """Return the builds with their differences from base, which is the first."""
    deadline = Deadline(IDENTITY_S)
    log = cache.log("identity")
    git = Git(cache.repository, log=log, deadline=deadline)
    binutils = Binutils(log, deadline, cache.sandbox)
    symbols = [sizes(binutils.sizes(one.binary)) for one in built]
    options_of = [_options(one.config) for one in built]
    base = built[0].build.commit
    found = []
    for one, its_symbols, its_options in zip(built, symbols, options_of, strict=True):
        build = msgspec.structs.replace(
            one.build,
            files=_files(git, base, one.build.commit),
            symbols=changed(symbols[0], its_symbols),
        )
        found.append(_with_options(build, options_of[0], its_options))
    return tuple(found)


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


def _files(git: Git, base: str, commit: str) -> tuple[str, ...] | None:
    """Return the files that differ; None on a worker that has kernels without their commits."""
    if not git.has_commit(base) or not git.has_commit(commit):
        return None
    names = git("diff", "--no-renames", "--name-only", "-z", base, commit).stdout
    return tuple(sorted(name for name in names.split("\0") if name))


def _options(config: Path | None) -> frozenset[str] | None:
    """Return a .config's options; None if there is no such file."""
    if config is None:
        return None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return options(config.read_text(encoding="utf-8"))
    return None
