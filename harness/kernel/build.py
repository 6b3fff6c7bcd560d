# SPDX-License-Identifier: GPL-2.0-only
"""Builds kernels from commits and caches them by commit, recipe and compiler.

All commits of a tree share a worktree and, per recipe, an O= folder, so that only what a patch
changes is compiled again. Third-party series get an O= folder of their own: their Makefiles could
have left anything in it.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import DoesNotBuild, HarnessError, InputError, MachineError, ToolFailed
from harness.events import Advanced, Began, Ended, Listener, Note, silent
from harness.git.git import EMPTY_TREE, Git
from harness.host import version
from harness.host.cache import Cache, publish, used
from harness.host.digest import value_digest
from harness.host.processes import process, venv
from harness.host.processes.process import Deadline
from harness.kernel import configure
from harness.kernel.binutils import Binutils
from harness.kernel.make import compiler_warnings, kbuild, make_output
from harness.kernel.make.kbuild import Make
from harness.kernel.make.warning_lines import together, warning
from harness.project.kernel import Kernel, Recipe, Tree
from harness.record.store import digest
from harness.trees.tree import checked_out

#: Configuring and building on a slow machine, with everything in it.
BUILD_S = 3 * 3600
#: Listing tags, and `--version` of a compiler: before the O= folder is locked.
GIT_S = 120
VERSION_S = 30
#: An O= folder of the minimal profile takes about 300 MB, a cached kernel 20 MB.
ROOM_BYTES = 2 << 30
META = "kernel.json"
#: Beside META: how often the compiler gave each warning. Missing if unknown.
WARNINGS = "warnings.json"
#: Files of an O= folder that are cached, and their names in the cache.
_CACHED = {
    "arch/x86/boot/bzImage": "bzImage",
    "vmlinux": "vmlinux",
    "System.map": "System.map",
    configure.CONFIG: "config",
}
#: A file in an O= folder; its modification time is that of the last build.
_STAMP = "harness.stamp"
_MAX_WARNINGS_SHOWN = 5
#: The files that a .config depends on.
_STEERING = ("scripts", *(f":(glob)**/{name}*" for name in ("Kconfig", "Makefile", "Kbuild")))


def build(
    cache: Cache,
    tree: Tree,
    commit: str,
    recipe: Recipe,
    listen: Listener = silent,
    *,
    title: str = "",
) -> Kernel:
    """Return the kernel of a commit, from the cache or by building it.

    Raises InputError (an option that cannot be set), DoesNotBuild, or MachineError.
    """
    compiler = compiler_version(cache, recipe.program)
    folder = cache.kernels / _key(commit, recipe, compiler)
    if cached := _cached(folder):
        return cached
    title = title or commit[:12]
    listen(Began(f"build {title}"))
    with objects(cache, tree, commit, recipe, listen) as make:
        spent = _compile(make, listen)
        kernel = _store(cache, make, folder, commit, recipe, compiler, spent)
    listen(Ended(f"built {title}: {kernel.cpu_s:.0f} s of CPU time, {kernel.wall_s:.0f} s"))
    return kernel


def _cached(folder: Path) -> Kernel | None:
    """Return the kernel in a folder if its image is intact, with that folder's present path."""
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        kernel = msgspec.json.decode((folder / META).read_bytes(), type=Kernel)
        if kernel.image_sha256 in ("", digest(folder / "bzImage")):
            used(folder)
            return msgspec.structs.replace(kernel, folder=str(folder))
    return None


def key(cache: Cache, commit: str, recipe: Recipe) -> str:
    """Return the cache key of a kernel, which is the same on all machines.

    Raises ToolMissing if the compiler is not installed.
    """
    return _key(commit, recipe, compiler_version(cache, recipe.program))


def warnings(kernel: Kernel) -> dict[str, int] | None:
    """Return how often the compiler gave each warning for a kernel; None if unknown."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        data = (Path(kernel.folder) / WARNINGS).read_bytes()
        return msgspec.json.decode(data, type=dict[str, int])
    return None


@contextlib.contextmanager
def objects(
    cache: Cache, tree: Tree, commit: str, recipe: Recipe, listen: Listener = silent
) -> Iterator[Make]:
    """Yield a Make whose source is at `commit` and whose O= folder is configured by the recipe.

    Source and O= folder are locked until the block ends.
    """
    if any(c.isspace() or c == ":" for c in str(cache.root)):
        raise InputError(
            "make cannot build a kernel below a path with a space or colon",
            where=str(cache.root),
            hint="set XDG_CACHE_HOME to a path without",
        )
    cache.require_room(ROOM_BYTES, "to build a kernel")
    cache.sandbox.warn(listen)
    shared = f"{tree.release}-{recipe.profile}-{value_digest(recipe)[:12]}"
    author = _third_party(cache, tree, commit)
    name = f"{shared}-{value_digest(author)[:8]}" if author else shared
    with contextlib.ExitStack() as stack:
        waiting = Note("waiting until another harness has built in the same folder")
        stack.enter_context(cache.locked(f"objects-{name}", waiting=lambda: listen(waiting)))
        if author and not (cache.objects / name).exists():
            with cache.locked(f"objects-{shared}"):
                _copy_objects(cache, cache.objects / shared, cache.objects / name, listen)
        source = stack.enter_context(checked_out(cache, tree, commit, listen))
        deadline = Deadline(BUILD_S)
        make = Make(
            source,
            cache.objects / name,
            recipe.compiler,
            arch=recipe.arch,
            sandbox=cache.sandbox,
            log=cache.log(f"build-{name}"),
            deadline=deadline,
        )
        with _stamped(make, listen):
            try:
                configure.ensure(make, recipe, _config_inputs(cache, commit, recipe, deadline))
            except ToolFailed as error:
                raise failure(error, "the kernel cannot be configured") from error
            yield make


def _third_party(cache: Cache, tree: Tree, commit: str) -> str:
    """Return the label of the third-party series of a commit; "" for the tree and its ports."""
    if commit == tree.commit:
        return ""
    git = Git(cache.repository, log=cache.log("author"), deadline=Deadline(GIT_S))
    # Not --points-at: git would read every tag's commit, and fail at one whose clone was deleted.
    tags = git("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags/series").stdout
    named = (tag.partition(" ") for tag in tags.splitlines())
    labels = sorted(ref.split("/")[4] for tagged, _, ref in named if tagged == commit)
    if any(label.startswith("port-") for label in labels):
        return ""
    return labels[0] if labels else tree.name


def _copy_objects(cache: Cache, source: Path, target: Path, listen: Listener) -> None:
    """Copy an O= folder, if it exists, so that its objects are not compiled again."""
    if not source.is_dir():
        return
    # Up to some GB.
    listen(Note("copy base's objects: a third-party series has an O= folder of its own"))
    with cache.staging() as work:
        copy = work / target.name
        shutil.copytree(source, copy, symlinks=True)
        # Some saved commands (objtool's) have the folder's path. make would run them again if it
        # changed.
        for command in copy.rglob("*.cmd"):
            text = command.read_bytes()
            if os.fsencode(source) in text:
                command.write_bytes(text.replace(os.fsencode(source), os.fsencode(target)))
        publish(copy, target)


@contextlib.contextmanager
def _stamped(make: Make, listen: Listener) -> Iterator[None]:
    """Remove an O= folder that is newer than the clock: make would not see changes."""
    folder = make.output.path
    with contextlib.suppress(FileNotFoundError):
        if (folder / _STAMP).lstat().st_mtime > time.time():
            listen(Note("the clock was set back since the last build: building from scratch"))
            shutil.rmtree(folder)
    if not folder.is_dir():
        make.begin()
    make.output.write(_STAMP, b"")
    try:
        yield
    finally:
        make.output.write(_STAMP, b"")


def failure(error: ToolFailed, what: str, blamed: str | None = None) -> HarnessError:
    """Return MachineError if the machine made a make fail, else DoesNotBuild.

    `blamed` is a line of output that shows it; without one it is looked for in the last lines.
    """
    lines = [error.what, *(error.detail or "").splitlines()]
    line = blamed or next((line for line in lines if make_output.of_machine(line)), None)
    if line is None:
        return DoesNotBuild(f"{what}: {error.what}", hint=error.hint, detail=error.detail)
    return MachineError(
        f"the machine failed the build: {line.strip()[:300]}; this is not the series' fault",
        hint=error.hint,
        detail=error.detail,
    )


def _config_inputs(cache: Cache, commit: str, recipe: Recipe, deadline: Deadline) -> str:
    """Return what a commit's .config depends on: Kconfig files, scripts, compiler, vng."""
    git = Git(cache.repository, log=cache.log("configured-by"), deadline=deadline)
    # `git ls-tree` would print all 90,000 files, 9 MB.
    files = git("diff-tree", "-r", "--no-renames", EMPTY_TREE, commit, "--", *_STEERING).stdout
    programs = [compiler_version(cache, recipe.program)]
    if recipe.profile == "vng":
        log = cache.log("version-vng")
        programs.append(version.of(Path(venv.installed("vng")), log=log, deadline=deadline))
    return "\n".join([files, *programs])


def compiler_version(cache: Cache, program: str) -> str:
    """Return the first line of `PROGRAM --version`. Raises ToolMissing."""
    kbuild.require(program)
    deadline = Deadline(VERSION_S)
    done = process.run([program, "--version"], log=cache.log("compiler"), deadline=deadline)
    return done.stdout.splitlines()[0]


def _compile(make: Make, listen: Listener) -> tuple[float, float]:
    """Make bzImage and return its cost as (CPU, wall) seconds."""
    done = shown = total = 0
    blamed: str | None = None

    def on_line(line: str) -> None:
        nonlocal done, shown, blamed
        if kbuild.makes_object(line):
            done += 1
            listen(Advanced(min(done, total), total, line.split()[-1]))
        elif warning(line):
            shown += 1
            if shown <= _MAX_WARNINGS_SHOWN:
                listen(Note(line.strip()))
        elif blamed is None and make_output.of_machine(line):
            blamed = line

    try:
        prepared = make.build("prepare")
        total = _count(make)
        built = make.build("bzImage", on_line=on_line)
    except ToolFailed as error:
        raise failure(error, "the kernel does not build", blamed) from error
    return prepared.cpu_s + built.cpu_s, prepared.wall_s + built.wall_s


def _count(make: Make) -> int:
    """Return how many objects make's dry run lists, after `prepare`."""
    # Any exit code: the dry run fails on generated files, after the list.
    listed = make("-n", "-k", "vmlinux", ok=None).stdout.splitlines()
    return sum(map(kbuild.makes_object, listed))


def _store(
    cache: Cache,
    make: Make,
    folder: Path,
    commit: str,
    recipe: Recipe,
    compiler: str,
    spent: tuple[float, float],
) -> Kernel:
    """Copy a kernel from the O= folder to the cache, completely or not at all."""
    with cache.staging() as work:
        for name, cached in _CACHED.items():
            make.output.copy(name, work / cached)
        kernel = Kernel(
            key=folder.name,
            commit=commit,
            release=make.output.text("include/config/kernel.release").strip(),
            build_id=Binutils(make.log, make.deadline, make.sandbox).build_id(work / "vmlinux"),
            config_sha256=digest(work / "config"),
            compiler=compiler,
            profile=recipe.profile,
            fragments=tuple(f.name for f in recipe.fragments),
            folder=str(folder),
            cpu_s=spent[0],
            wall_s=spent[1],
            image_sha256=digest(work / "bzImage"),
        )
        if (warned := compiler_warnings.warned(make.output)) is not None:
            (work / WARNINGS).write_bytes(msgspec.json.encode(together(warned)))
        (work / META).write_bytes(msgspec.json.encode(kernel))
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        publish(work, folder)
    return kernel


def _key(commit: str, recipe: Recipe, compiler: str) -> str:
    return value_digest((commit, recipe, compiler, kbuild.PINNED))[:24]
