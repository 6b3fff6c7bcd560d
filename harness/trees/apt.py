# SPDX-License-Identifier: GPL-2.0-only
"""Runs apt on private lists, cache and sources: any Debian suite, verified, without root.

The machine's proxies and credentials are used; its lists, pins and hooks are not.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import InputError, MachineError, ToolMissing
from harness.host.processes import process, programs
from harness.trees.apt_sources import AptSource, Archive, deb822, debian, one_line

ETC = Path("/etc/apt")
KEYRINGS = Path("/usr/share/keyrings")
#: The machine's hooks act on the machine's cache; only a configuration file can clear such lists.
#: As root, apt would drop to a user that cannot read our folders.
_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
_NO_SUITE = re.compile(r"[EW]: The repository '\S+ (\S+) Release' does not have a Release file")
_FAILED = re.compile(r"[EW]: (Failed to fetch .*|.*(?:is not signed|signatures).*|GPG error.*)")


class Offer(msgspec.Struct, frozen=True):
    """One version of a package that an archive offers."""

    package: str
    version: str


class Apt:
    """apt-get and apt-cache on a private folder, for some suites of one archive."""

    def __init__(
        self, folder: Path, archive: Archive, *, log: Path, deadline: process.Deadline
    ) -> None:
        self.archive = archive
        self._folder = folder
        self._log = log
        self._deadline = deadline

    def update(self, suites: Sequence[str]) -> list[str]:
        """Fetch the suites' lists and return the suites that the archive lacks.

        Raises MachineError if the archive cannot be reached or its signature is not valid.
        """
        self._configure(suites)
        printed: list[str] = []
        self._run("apt-get", "update", on_line=printed, ok=(0, 100))
        absent = [m[1] for m in map(_NO_SUITE.match, printed) if m]
        failures = [m[1] for m in map(_FAILED.match, printed) if m]
        if failures and not absent:
            raise MachineError(
                "Debian's archive cannot be used",
                where=self.archive.uri,
                hint="check the network, or define a git or tarball tree in configs/trees.yaml",
                detail="\n".join(failures[:4]),
            )
        return [suite for suite in suites if suite in absent]

    def offers(self, package: str) -> list[Offer]:
        """Return the versions of a package in the suites, newest first."""
        done = self._run("apt-cache", "madison", package, ok=(0, 100))
        rows = (line.split("|") for line in done.stdout.splitlines())
        found = [Offer(row[0].strip(), row[1].strip()) for row in rows if len(row) > 1]
        return list(dict.fromkeys(found))

    def download(self, offer: Offer, folder: Path) -> Path:
        """Download a package into an empty folder; apt checks it against the signed lists."""
        self._run("apt-get", "download", f"{offer.package}={offer.version}", cwd=folder)
        files = list(folder.glob("*.deb"))
        if len(files) != 1:
            raise MachineError(f"apt-get downloaded {len(files)} files", where=offer.package)
        return files[0]

    def _configure(self, suites: Sequence[str]) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        (self._folder / "apt.conf").write_text(_CONF.format(folder=self._folder))
        signed_by = keyring(self.archive)
        options = f"[signed-by={signed_by}] " if signed_by else ""
        lines = (f"deb {options}{self.archive.uri} {suite} main\n" for suite in suites)
        (self._folder / "sources.list").write_text("".join(lines))

    def _run(
        self,
        *argv: str,
        cwd: Path | None = None,
        on_line: list[str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> process.Finished:
        return process.run(
            [argv[0], "-q", "-c", str(self._folder / "apt.conf"), *argv[1:]],
            log=self._log,
            deadline=self._deadline,
            cwd=cwd,
            on_line=None if on_line is None else on_line.append,
            ok=ok,
        )


def archives() -> tuple[Archive, ...]:
    """Return the Debian archives in this machine's apt configuration.

    Raises InputError if there is none (another distribution).
    """
    entries: list[AptSource] = []
    for file in [ETC / "sources.list", *sorted((ETC / "sources.list.d").glob("*"))]:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        parse = deb822 if file.suffix == ".sources" else one_line
        entries += parse(file.read_text(encoding="utf-8", errors="replace"))
    found = debian(entries)
    if not found:
        raise InputError(
            "apt has no source of Debian's own archive",
            where=str(ETC),
            hint="add one, or define a git or tarball tree in configs/trees.yaml",
        )
    return found


def keyring(archive: Archive) -> Path | None:
    """Return the distribution's keyring; None means the keys that apt trusts by default."""
    named = [Path(archive.signed_by)] if archive.signed_by.startswith("/") else []
    common = [KEYRINGS / f"debian-archive-keyring.{end}" for end in ("gpg", "pgp")]
    return next((path for path in [*named, *common] if path.is_file()), None)


def unpack(deb: Path, folder: Path, *, log: Path, deadline: process.Deadline) -> None:
    """Unpack a package's files."""
    argv = ["dpkg-deb", "-x", str(deb), str(folder)]
    process.run(argv, log=log, deadline=deadline)


def require() -> None:
    """Raise ToolMissing where apt or dpkg is not installed."""
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        if programs.find(name) is None:
            raise ToolMissing(
                f"{name} is not installed, and provider debian-source needs it",
                hint="define a git or tarball tree in configs/trees.yaml, choose it with --tree",
            )
