# SPDX-License-Identifier: GPL-2.0-only
"""An object is compiled without make only if make would do the same."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.git.git import AUTHOR, COMMITTER, Git
from harness.host.processes.process import Deadline
from harness.host.processes.sandbox import NO_SANDBOX, Sandbox
from harness.kernel import alone, configure
from harness.kernel.make import compiler_warnings
from harness.kernel.make.kbuild import Make

OBJECT = "mm/mm_init.o"
FILES = {
    "mm/mm_init.c": '#include "mm.h"\nint f(void) { return MM; }\n',
    "mm/mm.h": "#define MM 1\n",
    "include/page.h": "#define PAGE 1\n",
    "kernel/other.c": "int other;\n",
    "mm/Makefile": "obj-y += mm_init.o\n",
    "mm/start.S": "",
    "scripts/sign.h": "",
    "tools/objtool/check.c": "",
    "Kconfig": "",
}


class Tree:
    """A repository with one commit, and an O= folder in which make has built an object of it."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        for name, text in FILES.items():
            self.write(name, text)
        self._git("init", "-q")
        self.commit()
        log, deadline = folder / "log", Deadline(60)
        sandbox = Sandbox(NO_SANDBOX)
        self.git = Git(self.source, log=log, deadline=deadline)
        self.make = Make(
            self.source, folder / "out", "gcc", sandbox=sandbox, log=log, deadline=deadline
        )
        self.make.begin()
        self.output = self.make.output.path
        self.into = folder / "object.o"
        (self.output / configure.NOTE).write_text("{}")
        for inner in ("mm", "kernel", "scripts"):
            (self.output / inner).mkdir()
        (self.output / OBJECT).write_text("as make left it")
        self.saved(f"gcc -Wp,-MMD,mm/.mm_init.o.d -c -o {OBJECT} {self.source}/mm/mm_init.c")
        self.depends("kernel/.bounds.s", "include/page.h")
        self.depends("kernel/.other.o", "kernel/other.c")
        self.depends("scripts/.sign.o", "scripts/sign.h")
        alone.remember(self.make, self.head)

    def _git(self, *words: str) -> str:
        argv = ["git", "-C", str(self.source), *words]
        env = os.environ | COMMITTER | AUTHOR
        return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout

    def write(self, name: str, text: str) -> None:
        file = self.source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self) -> None:
        self._git("add", "--all")
        self._git("commit", "-q", "--allow-empty", "-m", "x")
        self.head = self._git("rev-parse", "HEAD").strip()

    def saved(self, command: str) -> None:
        (self.output / "mm/.mm_init.o.cmd").write_text(f"savedcmd_{OBJECT} := {command}\n")

    def depends(self, target: str, *names: str) -> None:
        words = [f"  {self.source}/{name} \\\n" for name in names]
        (self.output / f"{target}.cmd").write_text(f"deps_x := \\\n{''.join(words)}\n")

    def compiled(self) -> bool:
        return alone.compiled(self.make, self.git, self.head, OBJECT, self.into)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.mark.parametrize("name", ["mm/mm_init.c", "mm/mm.h", "kernel/other.c"])
def test_what_only_objects_are_made_from_is_compiled_without_make(tree: Tree, name: str) -> None:
    tree.write(name, f"{FILES[name]}/* changed */\n#undef MM\n#define MM 2\n")
    tree.commit()
    before = {p: p.read_bytes() for p in tree.output.rglob("*") if p.is_file()}
    assert tree.compiled()
    want = tree.into.with_name("want.o")
    subprocess.run(["gcc", "-c", "-o", want, tree.source / "mm/mm_init.c"], check=True)
    assert tree.into.read_bytes() == want.read_bytes()
    assert {p: p.read_bytes() for p in before} == before


def test_later_commands_on_the_object_run_too(tree: Tree) -> None:
    source = tree.source / "mm/mm_init.c"
    tree.saved(f"gcc -c -o {OBJECT} {source} ; objcopy --add-symbol=marked=0 {OBJECT}")
    assert tree.compiled()
    assert "marked" in subprocess.run(["nm", tree.into], capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "name",
    [
        *("include/page.h", "mm/Makefile", "Kconfig", "mm/start.S", "scripts/sign.h"),
        *("tools/objtool/check.c", "include/new.h", "mm/new.c"),
    ],
)
def test_make_compiles_if_anything_else_changed(tree: Tree, name: str) -> None:
    tree.write(name, "/* changed */\n")
    tree.commit()
    assert not tree.compiled()
    assert not tree.into.exists()


def test_make_compiles_if_a_file_is_missing(tree: Tree) -> None:
    (tree.source / "kernel/other.c").unlink()
    tree.commit()
    assert not tree.compiled()


def _reconfigured(tree: Tree) -> None:
    (tree.output / configure.NOTE).write_text('{"other": 1}')


def _made_again(tree: Tree) -> None:
    compiler_warnings.start(tree.make.output)
    compiler_warnings.finish(tree.make.output, {})


def _interrupted(tree: Tree) -> None:
    compiler_warnings.start(tree.make.output)


def _unknown_commit(tree: Tree) -> None:
    alone.remember(tree.make, "0" * 40)


def _an_option(tree: Tree) -> None:
    alone.remember(tree.make, "--output=/tmp/x")


def _never_made(tree: Tree) -> None:
    (tree.output / alone.MADE).unlink()


def _not_text(tree: Tree) -> None:
    (tree.output / alone.MADE).write_bytes(b"\xff\0")


def _a_link(tree: Tree) -> None:
    (tree.output / "mm/.mm_init.o.cmd").unlink()
    (tree.output / "mm/.mm_init.o.cmd").symlink_to("/etc/passwd")


def _a_shell(tree: Tree) -> None:
    tree.saved(f"gcc -c -o {OBJECT} {tree.source}/mm/mm_init.c && true")


def _a_relative_source(tree: Tree) -> None:
    tree.saved(f"gcc -c -o {OBJECT} ../source/mm/mm_init.c")


def _an_error(tree: Tree) -> None:
    tree.write("mm/mm_init.c", "int f(void) { return nothing; }\n")
    tree.commit()


@pytest.mark.parametrize(
    "damage",
    [
        *(_reconfigured, _made_again, _interrupted, _unknown_commit, _an_option, _never_made),
        *(_not_text, _a_link, _a_shell, _a_relative_source, _an_error),
    ],
)
def test_make_compiles_if_the_output_folder_changed(
    tree: Tree, damage: Callable[[Tree], None]
) -> None:
    assert tree.compiled()
    tree.into.unlink()
    damage(tree)
    assert not tree.compiled()
    assert not tree.into.exists()
