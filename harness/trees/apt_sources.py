# SPDX-License-Identifier: GPL-2.0-only
"""Parses apt's source lists, in both formats, and selects Debian's own archives. Pure."""

import email
import re
from collections.abc import Iterable, Iterator

import msgspec

#: Suites of Debian.
_SUITES = re.compile(
    r"(?:sid|unstable|testing|stable|oldstable|bullseye|bookworm|trixie|forky|duke)"
    r"(?:-updates|-backports|-proposed-updates)?"
)
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>\S.*)")


class AptSource(msgspec.Struct, frozen=True):
    """One source; `signed_by` is a file or a key, "" if not given."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


class Archive(msgspec.Struct, frozen=True):
    """A Debian archive: its URI, and the keyring that apt checks it with."""

    uri: str
    signed_by: str


def one_line(text: str) -> Iterator[AptSource]:
    """Yield the entries of a .list file."""
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is None:
            continue
        uri, *rest = match["rest"].split()
        if rest:
            options = dict(
                option.split("=", 1) for option in (match["options"] or "").split() if "=" in option
            )
            signed_by = {k.lower(): v for k, v in options.items()}.get("signed-by", "")
            yield AptSource((uri,), (rest[0],), tuple(rest[1:]), signed_by)


def deb822(text: str) -> Iterator[AptSource]:
    """Yield the enabled entries of a .sources file."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        fields = email.message_from_string(stanza.lstrip())
        types, uris, suites, components = (
            tuple(fields.get(name, "").split())
            for name in ("Types", "URIs", "Suites", "Components")
        )
        enabled = fields.get("Enabled", "yes").strip().lower() not in ("no", "false", "0")
        if "deb" in types and enabled:
            yield AptSource(uris, suites, components, fields.get("Signed-By", "").strip())


def debian(entries: Iterable[AptSource]) -> tuple[Archive, ...]:
    """Return Debian's own archives, the likeliest first.

    Third-party archives use Debian's suite names too, but have keyrings of their own. Security
    archives and dated snapshots lack the suites we need.
    """
    found: dict[str, Archive] = {}
    for entry in entries:
        if "main" not in entry.components or not any(map(_SUITES.fullmatch, entry.suites)):
            continue
        if entry.signed_by and "debian-archive" not in entry.signed_by:
            continue
        for uri in entry.uris:
            if not uri.startswith("cdrom:") and not re.search(r"snapshot|security", uri):
                found.setdefault(uri.rstrip("/"), Archive(uri, entry.signed_by))
    return tuple(sorted(found.values(), key=lambda a: not a.uri.rstrip("/").endswith("/debian")))
