# SPDX-License-Identifier: GPL-2.0-only
"""Provider debian-source with real apt, on a small archive of our own in a folder."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InputError, MachineError, ToolMissing
from harness.events import Event, Note
from harness.host.cache import Cache
from harness.host.processes import programs
from harness.project.project import Project
from harness.trees import apt
from harness.trees.tags import offered
from harness.trees.tree import checked_out, fetch, listing

FAKE = Path(__file__).parents[2] / "fakes" / "linux"
NEEDED = ("apt-get", "apt-cache", "dpkg-deb", "gpg")
LACKING = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")


class Archive:
    """An archive as Debian's is laid out, signed by a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "mirror" / "debian"
        self.home = folder / "gnupg"
        self.home.mkdir(mode=0o700)
        self.keyring = folder / "debian-archive-test.gpg"
        self._gpg("--passphrase", "", "--quick-gen-key", "archive", "ed25519", "sign")
        self._gpg("--output", str(self.keyring), "--export", "archive")
        self.etc = folder / "etc"
        (self.etc / "sources.list.d").mkdir(parents=True)
        (self.etc / "sources.list.d" / "debian.sources").write_text(
            f"Types: deb\nURIs: file:{self.folder}\nSuites: bookworm\nComponents: main\n"
            f"Signed-By: {self.keyring}\n"
        )

    def _gpg(self, *arguments: str) -> None:
        argv = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--yes", *arguments]
        subprocess.run(argv, check=True)

    def deb(self, version: str, release: str, packed: str = "linux-source-7.2") -> Path:
        """Make a package of the fake kernel tree that says it is `release`."""
        top = self.folder.parent / "build"
        source = top / packed
        shutil.copytree(FAKE, source)
        makefile = source / "Makefile"
        makefile.write_text(makefile.read_text().replace("= 99", f"= {release.split('.')[2]}"))
        root = top / "root"
        (root / "usr/src").mkdir(parents=True)
        (root / "DEBIAN").mkdir()
        tarball = root / "usr/src" / f"{packed}.tar.xz"
        subprocess.run(["tar", "-C", str(top), "-caf", str(tarball), packed], check=True)
        package = packed.replace("_", "-")
        (root / "DEBIAN" / "control").write_text(
            f"Package: {package}\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: A <a@example.org>\nDescription: source\n"
        )
        pool = self.folder / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        deb = pool / f"{package}_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--build", str(root), str(deb)], check=True, stdout=-3)
        shutil.rmtree(top)
        return deb

    def suite(self, name: str, *debs: Path) -> None:
        """Publish a suite that offers these packages."""
        dist = self.folder / "dists" / name
        stanzas = []
        for deb in debs:
            control = subprocess.run(
                ["dpkg-deb", "--field", str(deb)], check=True, capture_output=True, text=True
            ).stdout
            stanzas.append(
                f"{control}Filename: pool/{deb.name}\nSize: {deb.stat().st_size}\n"
                f"SHA256: {hashlib.sha256(deb.read_bytes()).hexdigest()}\n"
            )
        native = subprocess.run(
            ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
        ).stdout.strip()
        packages = dist / "main" / f"binary-{native}" / "Packages"
        packages.parent.mkdir(parents=True, exist_ok=True)
        packages.write_text("\n".join(stanzas))
        digest = hashlib.sha256(packages.read_bytes()).hexdigest()
        (dist / "Release").write_text(
            f"Origin: Debian\nSuite: {name}\nCodename: {name}\n"
            "Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"Architectures: all {native}\nComponents: main\nSHA256:\n"
            f" {digest} {packages.stat().st_size} main/binary-{native}/Packages\n"
        )
        release = str(dist / "Release")
        self._gpg("--output", str(dist / "InRelease"), "--clearsign", release)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    made = Archive(tmp_path)
    monkeypatch.setattr(apt, "ETC", made.etc)
    yield made
    subprocess.run(["gpgconf", "--homedir", str(made.home), "--kill", "all"], check=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.configs.mkdir(parents=True)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    # apt's configuration and lists must work with a space.
    return Cache(tmp_path / "a cache")


def write(project: Project, version: str, *suites: str) -> None:
    entry = {"provider": "debian-source", "version": version, "suites": suites}
    (project.configs / "trees.yaml").write_text(json.dumps({"mine": entry}))


def test_the_newest_that_matches_is_taken_from_any_suite(
    archive: Archive, project: Project, cache: Cache
) -> None:
    old, new = archive.deb("7.2.9-1", "7.2.9"), archive.deb("7.2.13-1", "7.2.13")
    archive.suite("sid", archive.deb("7.2.10-1", "7.2.10"))
    archive.suite("forky", old, new, archive.deb("7.2.14~rc1-1", "7.2.14"))
    write(project, "7.2", "sid", "forky")
    tree = fetch(project, cache, "mine")
    assert (tree.release, tree.source) == ("7.2.13", "debian-source 7.2.13-1")
    with checked_out(cache, tree, tree.commit) as folder:
        assert "SUBLEVEL = 13" in (folder / "Makefile").read_text()
    assert fetch(project, cache, "v7.2.13") == tree


def test_refresh_finds_a_newer_version_and_keeps_both_releases(
    archive: Archive, project: Project, cache: Cache
) -> None:
    old = archive.deb("7.2.9-1", "7.2.9")
    archive.suite("sid", old)
    write(project, "7.2", "sid")
    first = fetch(project, cache, "mine")
    archive.suite("sid", old, archive.deb("7.2.13-1", "7.2.13"))
    assert fetch(project, cache, "mine") == first
    second = fetch(project, cache, "mine", refresh=True)
    assert (first.release, second.release) == ("7.2.9", "7.2.13")
    assert fetch(project, cache, "v7.2.9").commit == first.commit
    assert fetch(project, cache, "mine") == second


def test_a_version_not_offered_is_answered_with_those_that_are(
    archive: Archive, project: Project, cache: Cache
) -> None:
    archive.suite("sid", archive.deb("7.2.9-1", "7.2.9"))
    write(project, "7.2.10", "sid")
    with pytest.raises(InputError, match=r"no linux-source-7\.2 7\.2\.10 in sid.*7\.2\.9-1"):
        fetch(project, cache, "mine")
    write(project, "6.1", "sid")
    with pytest.raises(InputError, match="a version offered: none"):
        fetch(project, cache, "mine")


def test_a_release_is_fetched_by_its_tag_from_the_known_suites(
    archive: Archive, project: Project, cache: Cache
) -> None:
    archive.suite("sid", archive.deb("7.2.13-1", "7.2.13"))
    archive.suite("forky", archive.deb("7.2.9-1~bpo13+1", "7.2.9"))
    write(project, "7.2", "sid", "forky")
    found = fetch(project, cache, "v7.2.9")
    assert (found.name, found.release) == ("v7.2.9", "7.2.9")
    rows = {row.name: row.state for row in listing(project, cache)}
    assert rows == {"mine": "absent", "v7.2.9": "fetched"}
    with pytest.raises(
        InputError, match=r"no tree 'v7\.2\.10' \(.*a version offered: 7\.2\.13-1, "
    ):
        fetch(project, cache, "v7.2.10")
    with pytest.raises(InputError, match=r"no tree 'v7\.9'.*a version offered: none"):
        fetch(project, cache, "v7.9")


def test_a_release_of_an_entry_shares_its_worktree_and_is_fetched_once(
    archive: Archive, project: Project, cache: Cache
) -> None:
    deb = archive.deb("7.2.9-1", "7.2.9")
    archive.suite("sid", deb, archive.deb("7.2.13-1", "7.2.13"))
    write(project, "7.2", "sid")
    assert offered(project, cache, "mine") == ["v7.2.13", "v7.2.9"]
    found = fetch(project, cache, "mine@v7.2.9")
    with checked_out(cache, found, found.commit) as folder:
        assert folder == cache.worktrees / "mine"
    deb.unlink()
    assert fetch(project, cache, "v7.2.9").commit == found.commit
    assert fetch(project, cache, "mine@v7.2.9") == found
    newest = fetch(project, cache, "mine")
    assert fetch(project, cache, "mine@v7.2.13").commit == newest.commit
    with pytest.raises(
        InputError, match=r"'rc1' is not the tag of a release; expected one like v7\.2\.12"
    ):
        fetch(project, cache, "mine@rc1")


def test_a_missing_suite_matters_only_if_the_others_lack_the_package(
    archive: Archive, project: Project, cache: Cache
) -> None:
    archive.suite("sid", archive.deb("7.2.9-1", "7.2.9"))
    write(project, "7.3", "sid", "nonesuch")
    with pytest.raises(InputError, match="no suite nonesuch") as caught:
        fetch(project, cache, "mine")
    assert caught.value.exit_code == 2
    write(project, "7.2", "sid", "nonesuch")
    events: list[Event] = []
    assert fetch(project, cache, "mine", events.append).release == "7.2.9"
    assert any(isinstance(e, Note) and "nonesuch" in e.text for e in events)


def test_a_package_that_was_tampered_with_is_refused(
    archive: Archive, project: Project, cache: Cache
) -> None:
    deb = archive.deb("7.2.9-1", "7.2.9")
    archive.suite("sid", deb)
    content = bytearray(deb.read_bytes())
    content[-1] ^= 1
    deb.write_bytes(bytes(content))
    write(project, "7.2", "sid")
    with pytest.raises(MachineError, match="apt-get failed"):
        fetch(project, cache, "mine")
    assert not (cache.worktrees / "mine").exists()


def test_a_list_signed_by_another_key_is_refused(
    archive: Archive, project: Project, cache: Cache
) -> None:
    archive.suite("sid", archive.deb("7.2.9-1", "7.2.9"))
    write(project, "7.2", "sid")
    archive._gpg("--passphrase", "", "--quick-gen-key", "mallory", "ed25519", "sign")
    dist = archive.folder / "dists" / "sid"
    output = ["--output", str(dist / "InRelease")]
    archive._gpg("--local-user", "mallory", *output, "--clearsign", str(dist / "Release"))
    with pytest.raises(MachineError, match="Debian's archive cannot be used") as caught:
        fetch(project, cache, "mine")
    assert "sign" in (caught.value.detail or "").lower()


def test_an_archive_out_of_reach_is_a_machine_error(
    archive: Archive, project: Project, cache: Cache
) -> None:
    sources = archive.etc / "sources.list.d" / "debian.sources"
    text = sources.read_text().replace(f"file:{archive.folder}", "http://127.0.0.1:9/debian")
    sources.write_text(text)
    write(project, "7.2", "sid")
    with pytest.raises(MachineError, match=r"cannot be used\. Check the network") as caught:
        fetch(project, cache, "mine")
    assert caught.value.exit_code == 69


def test_a_machine_without_debians_archive_is_told_what_to_do(
    archive: Archive, project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archive.etc / "sources.list.d" / "debian.sources").unlink()
    write(project, "7.2", "sid")
    with pytest.raises(InputError, match="apt has no source of Debian's own archive"):
        fetch(project, cache, "mine")
    monkeypatch.setattr(programs, "find", lambda name: None)
    with pytest.raises(ToolMissing, match="apt-get is not installed"):
        fetch(project, cache, "mine")
