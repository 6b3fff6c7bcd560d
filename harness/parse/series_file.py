# SPDX-License-Identifier: GPL-2.0-only
"""What mails promise as entries of series/<slug>/series.yaml, and a new such file."""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from harness.model.claim import Claim, Figures, Posted
from harness.model.series import Version
from harness.parse.claims import Posting
from harness.parse.yaml_merge import Additions
from harness.parse.yaml_text import flow, item_lines

#: By what two entries of a list are the same one.
IDENTITIES = {"versions": ("version",), "claims": ("version", "driver", "after_patch")}
#: What a mail's Date and the day it was posted by may differ in: time zones.
_A_DAY = datetime.timedelta(days=1)
_HEAD = """\
# SPDX-License-Identifier: GPL-2.0-only
# What was posted, as `harness series import` found it in the mails: figures in milliseconds.
"""


def additions(
    posting: Posting, claims: Sequence[Claim], base: str, known: Version | None
) -> Additions:
    """Return the entries that keep a posting and its claims; `known` is its version's, if any."""
    number = claims[0].version
    version: dict[str, Any] = {
        "version": number,
        "date": posting.date,
        "patches": posting.patches,
        "base": base,
        "cover": posting.cover,
    }
    if known is not None and known.cover and not posting.has_cover:
        # Any mail of a thread fetches it: another one's id is no contradiction.
        version["cover"] = None
    days = (known.date, posting.date) if known is not None else (None, None)
    if days[0] and days[1] and abs(days[0] - days[1]) <= _A_DAY:
        version["date"] = None
    return {"versions": [version], "claims": [_claim(claim) for claim in claims]}


def new_file(entries: Additions, *, title: str, function: str, object_: str, port_of: int) -> str:
    """Return the text of a series' file that has just these entries."""
    lines = [f"title: {flow(title)}", f"function: {flow(function)}", f"object: {flow(object_)}"]
    lines += ["# The version that patches under ports/ answer to.", f"port_of: {port_of}"]
    for key, items in entries.items():
        lines += ["", f"{key}:"]
        lines += [line for item in items for line in item_lines(item, 2)]
    return _HEAD + "\n".join(lines) + "\n"


def versions_like(posting: Posting, known: Sequence[Claim]) -> list[int]:
    """Return the posted versions whose claims have all figures that a posting's have."""
    return [
        version
        for version in sorted({claim.version for claim in known})
        if posting.claims
        and posting.version in (None, version)
        and all(
            any(_has_all(there, claim) for there in known if there.version == version)
            for claim in posting.claims
        )
    ]


def _has_all(there: Claim, claim: Claim) -> bool:
    if (there.driver, there.after_patch) != (claim.driver, claim.after_patch):
        return False
    sides = ((there.base, claim.base), (there.tip, claim.tip))
    return claim.tip is not None and all(
        new is None or (old is not None and old.mean_ms == new.mean_ms) for old, new in sides
    )


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "version": claim.version,
        "driver": claim.driver,
        "guest": claim.guest,
        "rebinds": claim.rebinds,
        "after_patch": claim.after_patch,
        "reduction_percent": _decimal(claim.reduction),
        "percent_decimals": claim.percent_decimals,
        "resolution_ms": None if claim.resolution_ms == 1 else claim.resolution_ms,
        "base": _figures(claim.base),
        "tip": _figures(claim.tip),
        "quotes": list(claim.quotes) or None,
    }


def _figures(figures: Figures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    first = None if figures.first_ms is None else _decimal(Posted.of(figures.first_ms))
    mean = _decimal(figures.mean)
    return {"first_ms": first, "mean_ms": mean, "mean_decimals": figures.mean_decimals}


def _decimal(posted: Posted | None) -> Decimal | None:
    """A number with the digits it was posted with."""
    return None if posted is None else Decimal(str(posted))
