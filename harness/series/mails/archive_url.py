# SPDX-License-Identifier: GPL-2.0-only
"""Checks the URLs that say where b4 gets mail from. Pure.

b4 takes them as masks: URLs in which %s is the message-id, or the words to search for.
"""

import re
import urllib.parse
from collections.abc import Mapping

from harness.errors import InputError
from harness.series.mails.messages import is_message_id

#: b4's settings that say where mail comes from.
SETTINGS = ("midmask", "linkmask", "searchmask")
#: What b4 uses without settings.
LORE = "https://lore.kernel.org/all"
#: Hosts of lore, and of its redirects: their mails may come from the user's own archive.
_LORE_HOSTS = ("lore.kernel.org", "lkml.kernel.org", "patch.msgid.link", "msgid.link")


def parse_link(url: str) -> tuple[str, str] | None:
    """Return the archive and the message-id that the URL of a mail names; None if it names none.

    The archive is the URL of a public-inbox, or "" for lore. A link may lead to the thread (/T/),
    its mbox or the raw mail, and have a fragment.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    pieces = parts.path.split("/")
    names = [urllib.parse.unquote(piece).removesuffix(".mbox.gz") for piece in pieces]
    at = next((n for n, name in enumerate(names) if is_message_id(name)), None)
    if parts.scheme not in ("http", "https") or not host or at is None:
        return None
    if host in _LORE_HOSTS or pieces[at - 1] == "patch":  # of patchwork, which is no archive
        return "", names[at]
    return f"{parts.scheme}://{parts.netloc}{'/'.join(pieces[:at])}", names[at]


def settings_of(url: str, where: str = "--archive") -> dict[str, str]:
    """Return b4's settings for a public-inbox, by its URL or the mask of its mails.

    Raises InputError, at `where`, for anything else.
    """
    base = url.rstrip("/").removesuffix("/%s").rstrip("/")
    if not is_mask("midmask", f"{base}/%s"):
        raise InputError(
            f"{_shown(url)} is not the URL of a mail archive",
            where=where,
            expected=f"an http or https URL such as {LORE}/",
        )
    return {"midmask": f"{base}/%s", "linkmask": f"{base}/%s", "searchmask": f"{base}/?x=m&q=%s"}


def require_masks(settings: Mapping[str, str]) -> None:
    """Raise InputError for settings of the user's that b4 cannot take."""
    for name, mask in settings.items():
        if not is_mask(name, mask):
            raise InputError(
                f"{_shown(mask)} is not a mask",
                where=f"git config b4.{name}",
                expected=f"an http or https URL with one %s, such as {LORE}/%s",
                hint="set it, or name the archive with --archive URL",
            )


def is_mask(name: str, mask: str) -> bool:
    """Return whether b4 can take a mask as its setting `name`."""
    try:
        parts = urllib.parse.urlsplit(mask)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # A password would be printed, and kept in logs.
    is_plain = "@" not in parts.netloc and mask.isprintable() and " " not in mask
    # b4 cuts this off midmask.
    has_place = mask.rstrip("/").endswith("/%s") if name == "midmask" else "%s" in mask
    return is_url and is_plain and has_place and mask.count("%") == 1


def _shown(url: str) -> str:
    """Return a URL as text for an error, without a password."""
    return repr(re.sub(r"//[^/@]*@", "//…@", url))


def name_of(settings: Mapping[str, str]) -> str:
    """Return the URL of the public-inbox that b4's settings name."""
    return settings.get("midmask", LORE).rstrip("/").removesuffix("/%s")
