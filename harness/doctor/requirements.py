# SPDX-License-Identifier: GPL-2.0-only
"""Checks which programs and headers of configs/packages.txt are installed, and their versions."""

import os
import platform
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.doctor.diagnosis import Diagnosis
from harness.doctor.packages import Need, distribution, needs
from harness.errors import HarnessError, InputError, ToolMissing
from harness.guest import busybox
from harness.host import version
from harness.host.cache import Cache
from harness.host.processes import process, programs, venv
from harness.measure.machine import PYTHON_PROGRAMS
from harness.project.project import Project

INSTALL = {
    "debian": "apt-get install",
    "fedora": "dnf install",
    "arch": "pacman -S",
    "opensuse": "zypper install",
}
#: A program that takes longer is not usable.
LOOK_S = 30
SCOPES = {"run": "", "extra": " (optional)"}


def examine(project: Project, cache: Cache) -> Iterator[Diagnosis]:
    """Yield each need of configs/packages.txt, then our own programs. Raises InputError."""
    path = project.configs / "packages.txt"
    try:
        table = needs(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    here = _distribution()
    for need in table:
        if need.packages.get(here) != "-":
            yield _diagnose(need, here, cache)
    for name in PYTHON_PROGRAMS:
        yield _script(cache, name)


def _distribution() -> str:
    # Set by tests, as in bootstrap.
    root = Path(os.environ.get("MEMMAP_HARNESS_SYSROOT") or "/")
    for path in (root / "etc/os-release", root / "usr/lib/os-release"):
        if path.is_file():
            return distribution(path.read_text())
    return ""


def _diagnose(need: Need, here: str, cache: Cache) -> Diagnosis:
    text = _found(need, cache)
    if text is not None:
        return Diagnosis(need.name, "ok", text)
    package = need.packages.get(here)
    hint = f"{INSTALL[here]} {package}" if package else f"install {need.name}"
    only = SCOPES.get(need.scope, " (for our own tests)")
    status: Literal["missing", "warning"] = "missing" if need.scope == "run" else "warning"
    return Diagnosis(need.name, status, f"{need.purpose}{only}", hint)


def _found(need: Need, cache: Cache) -> str | None:
    """Return the version, or "found", of an installed need; None if it is missing."""
    log = cache.log(f"doctor-{need.name.replace('/', '-')}")
    deadline = process.Deadline(LOOK_S)
    try:
        match need.kind:
            case "python":
                return platform.python_version() if find_spec(need.name) else None
            case "header":
                argv = ["gcc", "-E", "-include", need.name, "-x", "c", os.devnull]
                process.run(argv, log=log, deadline=deadline)
                return "found"
            case "static":
                path = busybox.require_static(log, deadline)
            case _:
                path = programs.require(need.name)
    except HarnessError:
        return None
    return version.of(path, log=log, deadline=deadline) or "found"


def _script(cache: Cache, name: str) -> Diagnosis:
    try:
        path = Path(venv.installed(name))
    except ToolMissing as error:
        return Diagnosis(name, "missing", error.what, error.hint or "")
    log = cache.log(f"doctor-{name}")
    found = version.of(path, log=log, deadline=process.Deadline(LOOK_S))
    return Diagnosis(name, "ok", found or "found")
