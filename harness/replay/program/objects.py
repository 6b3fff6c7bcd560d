# SPDX-License-Identifier: GPL-2.0-only
"""Makes replay programs of commits, cached by commit, recipe, compiler and the shim's sources.

Builds only the object with the function, in the O= folder in which kernels of this recipe are
built: the object is the one that a boot would run.
"""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import DoesNotBuild, ToolFailed
from harness.events import Advanced, Began, Ended, Listener, silent
from harness.git.git import Git
from harness.host import units
from harness.host.cache import Cache, publish, used
from harness.host.digest import value_digest
from harness.kernel import alone, configure
from harness.kernel import build as kernel_build
from harness.kernel.binutils import Binutils
from harness.kernel.make.cmd_file import compiling, saved_command
from harness.kernel.make.kbuild import Make
from harness.project.kernel import Recipe, Tree
from harness.record import store
from harness.replay.program import link
from harness.replay.program.link import CONFIG, KERNEL_SIDE, OBJECT, Program
from harness.workloads.replay import Replay

META = "program.json"


class Wanted(msgspec.Struct, frozen=True):
    """A commit to make a program of, and its title for progress messages."""

    commit: str
    title: str


def programs(
    cache: Cache,
    tree: Tree,
    wanted: Sequence[Wanted],
    how: Recipe,
    source_object: str,
    replay: Replay,
    listen: Listener = silent,
) -> tuple[Program, ...]:
    """Return the programs of commits, in their order; make those that are not cached.

    `source_object` is the kernel's object that has the function, like mm/mm_init.o. Raises
    DoesNotBuild, Unprovided.
    """
    compiler = kernel_build.compiler_version(cache, how.program)
    folders = {
        one.commit: _folder(cache, one.commit, how, compiler, source_object, _sources(replay))
        for one in wanted
    }
    missing = [one for one in wanted if _cached(folders[one.commit]) is None]
    if missing:
        what = f"{units.count(len(missing), 'build')} of {source_object}"
        listen(Began(f"compile and link {what}"))
        for number, one in enumerate(missing):
            listen(Advanced(number, len(missing), one.title))
            with kernel_build.objects(cache, tree, one.commit, how, listen) as make:
                _make(cache, make, one.commit, source_object, replay, folders[one.commit], compiler)
        listen(Ended(f"compiled and linked {what}"))
    found = [_cached(folder) for folder in (folders[one.commit] for one in wanted)]
    return tuple(program for program in found if program is not None)


def _cached(folder: Path) -> Program | None:
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        found = msgspec.json.decode((folder / META).read_bytes(), type=Program)
        used(folder)
        # The cache may have been moved since.
        return msgspec.structs.replace(found, folder=str(folder))
    return None


def _make(
    cache: Cache,
    make: Make,
    commit: str,
    source_object: str,
    replay: Replay,
    folder: Path,
    compiler: str,
) -> None:
    with cache.staging() as work:
        _compile(cache, make, commit, source_object, work)
        _compile_shim(make, source_object, replay, work)
        make.output.copy(configure.CONFIG, work / CONFIG)
        binutils = Binutils(cache.log(f"replay-{folder.name[:12]}"), make.deadline, make.sandbox)
        made = Program(
            folder=str(folder),
            traps=link.link(work, _user_build(cache, replay), replay.function, binutils),
            object_sha256=store.digest(work / OBJECT),
            config_sha256=store.digest(work / CONFIG),
            compiler=compiler,
        )
        (work / META).write_bytes(msgspec.json.encode(made))
        shutil.rmtree(folder, ignore_errors=True)  # unreadable
        publish(work, folder)


def unlinked(
    cache: Cache,
    tree: Tree,
    commit: str,
    how: Recipe,
    source_object: str,
    listen: Listener = silent,
    *,
    title: str = "",
) -> Path:
    """Return only the object of a commit, for a configuration that cannot be replayed."""
    compiler = kernel_build.compiler_version(cache, how.program)
    folder = _folder(cache, commit, how, compiler, source_object, "unlinked")
    if not (folder / OBJECT).exists():
        listen(Began(f"object {title or commit[:12]}"))
        with cache.staging() as work:
            with kernel_build.objects(cache, tree, commit, how, listen) as make:
                _compile(cache, make, commit, source_object, work)
            publish(work, folder)
        listen(Ended(f"compiled {title or commit[:12]}"))
    return folder / OBJECT


def _folder(cache: Cache, *parts: str | Recipe) -> Path:
    return cache.root / "replay" / value_digest(parts)[:24]


def _compile(cache: Cache, make: Make, commit: str, source_object: str, into: Path) -> None:
    git = Git(cache.repository, log=make.log, deadline=make.deadline)
    if alone.compiled(make, git, commit, source_object, into / OBJECT):
        return
    try:
        make.build(source_object)
    except ToolFailed as error:
        raise kernel_build.failure(error, f"{source_object} does not build") from error
    make.output.copy(source_object, into / OBJECT)
    alone.remember(make, commit)


def _compile_shim(make: Make, source_object: str, replay: Replay, into: Path) -> None:
    """Compile the kernel side of the shim with the object's own command line."""
    saved = Path(source_object)
    try:
        command = str(saved.with_name(f".{saved.name}.cmd"))
        argv = saved_command(make.output.text(command), source_object)
        ours = make.output.emptied("replay")
        for source in link.sources(replay.shim):
            if source.suffix == ".h" or source.name == KERNEL_SIDE:
                ours.write(source.name, source.read_bytes())
        argv = compiling(argv, f"replay/{KERNEL_SIDE}", "replay/shim.o")
        # kbuild's paths are relative to the O= folder.
        make.run(["env", "-C", str(make.output.path), *argv])
    except ToolFailed as error:
        what = "the replay's kernel side does not build in this tree"
        failed = kernel_build.failure(error, what)
        if isinstance(failed, DoesNotBuild):
            # The shim supports only some trees; the series is not to blame.
            failed = link.Unprovided(failed.what, hint=error.hint, detail=error.detail)
        raise failed from error
    except ValueError as error:
        raise DoesNotBuild(f"kbuild left no command for {source_object}: {error}") from error
    make.output.copy("replay/shim.o", into / "shim.o")


def _user_build(cache: Cache, replay: Replay) -> Path:
    made = cache.root / "replay" / f"user-{_sources(replay)[:24]}.o"
    if not made.exists():
        with cache.staging() as work:
            link.user_build(work / "user.o", cache.log("replay-user"), replay.shim)
            publish(work / "user.o", made)
    return made


def _sources(replay: Replay) -> str:
    layouts = [link.layout(placement) for placement in range(1, link.PLACEMENTS)]
    texts = [file.read_text() for file in link.sources(replay.shim)]
    return value_digest([replay.function, *texts, *layouts])
