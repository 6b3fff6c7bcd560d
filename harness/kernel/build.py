# SPDX-License-Identifier: GPL-2.0-only
"""Commits to kernels. A kernel is kept by its commit, recipe and compiler: asking again is instant.

All commits of one tree share a worktree and, per recipe, an O= folder, so that what a patch does
not touch is not compiled again. But for what strangers' Makefiles may have left in theirs: no
other series is built in it, and no base.
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
from harness.git.git import Git
from harness.host import process, venv, version
from harness.host.cache import Cache, publish, used
from harness.host.digest import value_digest
from harness.kernel import compiler_warnings, configure, kbuild, make_output
from harness.kernel.binutils import Binutils
from harness.kernel.kbuild import Make
from harness.kernel.warning_lines import together, warning
from harness.project.kernel import Kernel, Recipe, Tree
from harness.record.store import digest
from harness.trees.tree import checked_out

BUILD_S = 3 * 3600
GIT_S = 120
#: An O= folder of the minimal profile takes about 300 MB, the kernel that is kept 20 MB.
ROOM_BYTES = 2 << 30
META = "kernel.json"
#: Beside it: how often the compiler gave each warning. Not there where nobody knows.
WARNINGS = "warnings.json"
#: What is copied out of an O= folder, and the name that it is kept under.
KEPT = {
    "arch/x86/boot/bzImage": "bzImage",
    "vmlinux": "vmlinux",
    "System.map": "System.map",
    configure.CONFIG: "config",
}
#: In an O= folder: its time is that of the last build.
STAMP = "harness.stamp"
MAX_WARNINGS_SHOWN = 5


def build(
    cache: Cache,
    tree: Tree,
    commit: str,
    how: Recipe,
    listen: Listener = silent,
    *,
    title: str = "",
) -> Kernel:
    """Return the kernel of a commit, building it unless it is kept already.

    Raises InputError (an option that cannot be set), DoesNotBuild, or MachineError.
    """
    compiler = compiler_version(cache, how.program)
    folder = cache.kernels / _key(commit, how, compiler)
    if kept := _kept(folder):
        return kept
    title = title or commit[:12]
    listen(Began(f"build {title}"))
    with objects(cache, tree, commit, how, listen) as make:
        spent = _compile(make, listen)
        kernel = _keep(cache, make, folder, commit, how, compiler, spent)
    listen(Ended(f"built {title}: {kernel.cpu_s:.0f} s of CPU time, {kernel.wall_s:.0f} s"))
    return kernel


def _kept(folder: Path) -> Kernel | None:
    """Return the kernel in a folder if it is whole. The cache may have been moved since."""
    with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
        kernel = msgspec.json.decode((folder / META).read_bytes(), type=Kernel)
        if kernel.image_sha256 in ("", digest(folder / "bzImage")):
            used(folder)
            return msgspec.structs.replace(kernel, folder=str(folder))
    return None


def key(cache: Cache, commit: str, how: Recipe) -> str:
    """Return what a kernel is kept by: equal keys, on any machines, are one kernel.

    Raises ToolMissing for a compiler that is not there.
    """
    return _key(commit, how, compiler_version(cache, how.program))


def warned(kernel: Kernel) -> dict[str, int] | None:
    """Return how often each warning was given for a kernel; None where nobody knows."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        data = (Path(kernel.folder) / WARNINGS).read_bytes()
        return msgspec.json.decode(data, type=dict[str, int])
    return None


@contextlib.contextmanager
def objects(
    cache: Cache, tree: Tree, commit: str, how: Recipe, listen: Listener = silent
) -> Iterator[Make]:
    """Give a make whose source is at `commit` and whose O= folder is configured by the recipe.

    Both are locked until the block ends.
    """
    if any(c.isspace() or c == ":" for c in str(cache.root)):
        raise InputError(
            "make builds no kernel below a path with a space or colon",
            where=str(cache.root),
            hint="set XDG_CACHE_HOME to a folder without",
        )
    cache.require_room(ROOM_BYTES, "to build a kernel")
    cache.sandbox.warn(listen)
    ours = f"{tree.release}-{how.profile}-{value_digest(how)[:12]}"
    whose = _strangers(cache, tree, commit)
    name = f"{ours}-{value_digest(whose)[:8]}" if whose else ours
    with contextlib.ExitStack() as stack:
        stack.enter_context(cache.locked(f"objects-{name}"))
        if whose and not (cache.objects / name).exists():
            with cache.locked(f"objects-{ours}"):
                _begin_as(cache, cache.objects / ours, cache.objects / name, listen)
        source = stack.enter_context(checked_out(cache, tree, commit))
        make = Make(
            source,
            cache.objects / name,
            how.compiler,
            arch=how.arch,
            sandbox=cache.sandbox,
            log=cache.log(f"build-{name}"),
            deadline=process.Deadline(BUILD_S),
        )
        with _stamped(make, listen):
            try:
                configure.ensure(make, how, _configured_by(cache, commit, how))
            except ToolFailed as error:
                raise failure(error, "the kernel cannot be configured") from error
            yield make


def _strangers(cache: Cache, tree: Tree, commit: str) -> str:
    """Return a name for those who wrote a commit; "" for the tree's own, and those of our ports."""
    if commit == tree.commit:
        return ""
    git = Git(cache.repository, log=cache.log("whose"), deadline=process.Deadline(GIT_S))
    argv = ("for-each-ref", "--format=%(refname)", f"--points-at={commit}", "refs/tags/series")
    labels = sorted(ref.split("/")[4] for ref in git(*argv).stdout.splitlines())
    if any(label.startswith("port-") for label in labels):
        return ""
    return labels[0] if labels else tree.name


def _begin_as(cache: Cache, ours: Path, theirs: Path, listen: Listener) -> None:
    """Make an O= folder of what another one holds, if it is there: no object is made again."""
    if not ours.is_dir():
        return
    # Some GB, where everything is built.
    listen(Note("copy base's objects: a stranger's series has an O= folder of its own"))
    with cache.staging() as work:
        copy = work / theirs.name
        shutil.copytree(ours, copy, symlinks=True)
        # Where a command line names the folder, make would take it for another command: objtool's
        # do, and what objtool has checked would be made again with it.
        for command in copy.rglob("*.cmd"):
            text = command.read_bytes()
            if os.fsencode(ours) in text:
                command.write_bytes(text.replace(os.fsencode(ours), os.fsencode(theirs)))
        publish(copy, theirs)


@contextlib.contextmanager
def _stamped(make: Make, listen: Listener) -> Iterator[None]:
    """Empty an O= folder of objects that seem to come from the future, for make to see changes."""
    folder = make.output.path
    with contextlib.suppress(FileNotFoundError):
        if (folder / STAMP).lstat().st_mtime > time.time():
            listen(Note("the clock was set back since the last build: building afresh"))
            shutil.rmtree(folder)
    if not folder.is_dir():
        make.begin()
    make.output.write(STAMP, b"")
    try:
        yield
    finally:
        make.output.write(STAMP, b"")


def failure(error: ToolFailed, what: str, blamed: str | None = None) -> HarnessError:
    """Return what to raise for a make that failed: the machine's failure is not the series'.

    `blamed` is a line of its output that names the machine; without one the last lines are asked.
    """
    told = [error.what, *(error.detail or "").splitlines()]
    line = blamed or next((line for line in told if make_output.of_machine(line)), None)
    if line is None:
        return DoesNotBuild(f"{what}: {error.what}", hint=error.hint, detail=error.detail)
    return MachineError(
        f"the machine failed the build: {line.strip()[:300]}; this is not the series' fault",
        hint=error.hint,
        detail=error.detail,
    )


def _configured_by(cache: Cache, commit: str, how: Recipe) -> str:
    """Everything that a commit's .config depends on: Kconfig files, scripts, compiler, vng."""
    git = Git(cache.repository, log=cache.log("configured-by"), deadline=process.Deadline(GIT_S))
    listed = git("ls-tree", "-r", commit).stdout.splitlines()
    paths = (line.partition("\t") for line in listed)
    steering = [
        line
        for line, (_, _, path) in zip(listed, paths, strict=True)
        if path.startswith("scripts/")
        or path.rpartition("/")[2].startswith(("Kconfig", "Makefile", "Kbuild"))
    ]
    programs = [compiler_version(cache, how.program)]
    if how.profile == "vng":
        programs.append(version.of(Path(venv.installed("vng")), log=cache.log("version-vng")))
    return "\n".join([*steering, *programs])


def compiler_version(cache: Cache, program: str) -> str:
    """Return the first line of `PROGRAM --version`. Raises ToolMissing."""
    done = process.run(
        [program, "--version"], log=cache.log("compiler"), deadline=process.Deadline(10)
    )
    return done.stdout.splitlines()[0]


def _compile(make: Make, listen: Listener) -> tuple[float, float]:
    """Make bzImage and return what it cost, as (CPU, wall) seconds."""
    done = warnings = total = 0
    blamed: str | None = None

    def hear(line: str) -> None:
        nonlocal done, warnings, blamed
        if kbuild.makes_object(line):
            done += 1
            listen(Advanced(min(done, total), total, line.split()[-1]))
        elif warning(line):
            warnings += 1
            if warnings <= MAX_WARNINGS_SHOWN:
                listen(Note(line.strip()))
        elif blamed is None and make_output.of_machine(line):
            blamed = line

    try:
        prepared = make.build("prepare")
        total = _count(make)
        built = make.build("bzImage", on_line=hear)
    except ToolFailed as error:
        raise failure(error, "the kernel does not build", blamed) from error
    return prepared.cpu_s + built.cpu_s, prepared.wall_s + built.wall_s


def _count(make: Make) -> int:
    """How many objects are to be made, as make's dry run lists them once `prepare` is done."""
    total = 0

    def hear(line: str) -> None:
        nonlocal total
        total += kbuild.makes_object(line)

    # The dry run cannot see through generated files, so it ends in an error after the list.
    make("-n", "-k", "vmlinux", on_line=hear, ok=None)
    return total


def _keep(
    cache: Cache,
    make: Make,
    folder: Path,
    commit: str,
    how: Recipe,
    compiler: str,
    spent: tuple[float, float],
) -> Kernel:
    """Copy what is worth keeping out of the O= folder, whole or not at all."""
    with cache.staging() as work:
        for name, ours in KEPT.items():
            make.output.copy(name, work / ours)
        kernel = Kernel(
            key=folder.name,
            commit=commit,
            release=make.output.text("include/config/kernel.release").strip(),
            build_id=Binutils(make.log, make.sandbox).build_id(work / "vmlinux"),
            config_sha256=digest(work / "config"),
            compiler=compiler,
            profile=how.profile,
            fragments=tuple(f.name for f in how.fragments),
            folder=str(folder),
            cpu_s=spent[0],
            wall_s=spent[1],
            image_sha256=digest(work / "bzImage"),
        )
        if (warned := compiler_warnings.warned(make.output)) is not None:
            (work / WARNINGS).write_bytes(msgspec.json.encode(together(warned)))
        (work / META).write_bytes(msgspec.json.encode(kernel))
        shutil.rmtree(folder, ignore_errors=True)  # one that could not be read back
        publish(work, folder)
    return kernel


def _key(commit: str, how: Recipe, compiler: str) -> str:
    return value_digest((commit, how, compiler, kbuild.PINNED))[:24]
