# SPDX-License-Identifier: GPL-2.0-only
"""Sources of kernel trees: the entries of configs/trees.yaml, one type per provider."""

import re
from collections.abc import Iterable

import msgspec

_DEBIAN_VERSION = re.compile(r"\d+\.\d+(\.\d+)?(~rc\d+)?")
_RELEASE_TAG = re.compile(r"v(\d+\.\d+(?:\.\d+)?)(?:-(rc\d+))?")
_SUITE = re.compile(r"[a-z0-9][a-z0-9.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DebianSource(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag_field="provider",
    tag="debian-source",
):
    """Debian's linux-source package. `version` 7.2 is the newest 7.2.x in the suites."""

    version: str
    suites: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _DEBIAN_VERSION.fullmatch(self.version):
            raise ValueError(f"version: {self.version!r}; expected one like 7.2, 7.2.13 or 7.3~rc7")
        if not self.suites or not all(_SUITE.fullmatch(suite) for suite in self.suites):
            raise ValueError("suites: not all valid; expected names of Debian suites, like sid")

    @property
    def package(self) -> str:
        """The name of the package."""
        return "linux-source-" + ".".join(self.version.split("~")[0].split(".")[:2])

    def matches(self, version: str) -> bool:
        """Whether a package has the wanted version; `7.3~rc7-1` is not 7.3."""
        upstream = upstream_version(version)
        if self.version.count(".") == 1 and "~" not in self.version:
            return re.fullmatch(re.escape(self.version) + r"(\.\d+)?", upstream) is not None
        return upstream == self.version


def upstream_version(version: str) -> str:
    """Return the upstream part of a Debian version: 7.2.12 for 7.2.12-1~bpo13+1."""
    return version.rpartition(":")[2].rpartition("-")[0] or version


class GitSource(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="provider", tag="git"
):
    """A ref (tag, branch or commit) of a git repository, by path or URL."""

    repository: str
    ref: str

    def __post_init__(self) -> None:
        for name, text in (("repository", self.repository), ("ref", self.ref)):
            if not text or text.startswith("-") or not text.isprintable():
                raise ValueError(f"{name}: {text!r}; expected a {name} of git")

    @property
    def is_url(self) -> bool:
        """Whether git must fetch it: a URL, or host:path for ssh."""
        return "://" in self.repository or ":" in self.repository.split("/")[0]


class Tarball(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="provider", tag="tarball"
):
    """A tarball by path or URL, verified by its SHA-256 or by kernel.org's signature.

    kernel.org signs the uncompressed tar: `signature` is the .tar.sign, by path or URL. `keyring`
    is a file of trusted keys, as `gpg --export` writes it.
    """

    location: str
    sha256: str | None = None
    signature: str | None = None
    keyring: str | None = None

    def __post_init__(self) -> None:
        if self.sha256 is None and self.signature is None:
            raise ValueError("sha256: missing; expected sha256, or signature and keyring")
        if (self.signature is None) != (self.keyring is None):
            raise ValueError("signature: without keyring, or the reverse; expected both")
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256: {self.sha256!r}; expected 64 lower-case hex digits")


TreeSource = DebianSource | GitSource | Tarball


def tagged(source: TreeSource, tag: str) -> TreeSource | None:
    """Return the same source at another tag; None for a tarball.

    Raises ValueError if Debian cannot have a release of that tag.
    """
    if isinstance(source, GitSource):
        return msgspec.structs.replace(source, ref=tag)
    if isinstance(source, DebianSource):
        return DebianSource(debian_version(tag), source.suites)
    return None


def packaged(tag: str, known: Iterable[TreeSource]) -> DebianSource | None:
    """Return the Debian package for a release's tag (v7.2.12, v7.3-rc7), in all suites of `known`.

    None if the tag is not a release's, or `known` has no Debian source.
    """
    suites = [suite for s in known if isinstance(s, DebianSource) for suite in s.suites]
    if not suites or not _RELEASE_TAG.fullmatch(tag):
        return None
    return DebianSource(debian_version(tag), tuple(dict.fromkeys(suites)))


def debian_version(tag: str) -> str:
    """Return Debian's version of a release's tag: 7.3~rc7 for v7.3-rc7. Raises ValueError."""
    match = _RELEASE_TAG.fullmatch(tag)
    if match is None:
        raise ValueError(
            f"{tag!r} is not the tag of a release; expected one like v7.2.12 or v7.3-rc7"
        )
    return match[1] + (f"~{match[2]}" if match[2] else "")
