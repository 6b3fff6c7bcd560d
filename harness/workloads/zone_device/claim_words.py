# SPDX-License-Identifier: GPL-2.0-only
"""How mails call bindings of namespaces. Pure values."""

from types import MappingProxyType

from harness.workloads.claim_words import ClaimWords

CLAIM_WORDS = ClaimWords(
    metrics=("nd_pmem", "dax_pmem"),
    modes=MappingProxyType({"fsdax": "nd_pmem", "devdax": "dax_pmem"}),
    things=r"drivers?|namespaces?",
    measured=r"rebind\w*",
    first=r"\b(?:first|initial)[ -](?:time )?(?:re)?bind(?:ings?|s)?\b",
    again=r"\b(?:subsequent|later) (?:re)?bind\w*|\brebind(?:s|ings?)?\b",
    known=(
        r"re-?bind\w*|re-?bound|bind|binds|bindings?|bound|[kmgt]i?b|map|dev|mem|align(?:ed|ment)?"
        r"|loaded|optane|dcpmms?|nvdimms?"
    ),
)
