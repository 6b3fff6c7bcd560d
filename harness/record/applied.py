# SPDX-License-Identifier: GPL-2.0-only
"""A series as applied: its base, and one commit per patch. Pure."""

import msgspec


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One applied patch: its place in the series, the commit it became, git's patch-id.

    `sha256` is of the patch as given: a port's file, or the mail in the mbox.
    """

    number: int
    subject: str
    commit: str
    patch_id: str
    sha256: str = ""


class Applied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series on a tree: the base commit and one commit per patch.

    `source` says where the patches came from (`port v7.2`, `v2`, `mbox FILE`). `tags` is the prefix
    of the tags `<tags>/base`, `<tags>/1` ... `<tags>/tip` in the cache repository. `message_id` is
    the mail that introduced the series, without brackets, if known; `attestation` is b4's result
    for each patch's signatures, empty if they were not checked. `follow_up` are our own patches on
    top, if they were asked for. If two commits of a repository are compared, `commits` are those
    that differ (id and subject), and `other_commits` is the number of those not named.
    """

    slug: str
    source: str
    tree: str
    release: str
    base: str
    patches: tuple[Patch, ...]
    tags: str
    message_id: str = ""
    attestation: tuple[str, ...] = ()
    follow_up: tuple[Patch, ...] = ()
    commits: tuple[str, ...] = ()
    other_commits: int = 0

    @property
    def tip(self) -> str:
        """Commit with the whole series."""
        return self.prefix(len(self.patches))

    @property
    def last(self) -> str:
        """Commit with the whole series and its follow-up, if it has one."""
        return self.follow_up[-1].commit if self.follow_up else self.tip

    def prefix(self, k: int) -> str:
        """Commit of base plus the first `k` patches; 0 is base. Raises IndexError past the end."""
        return self.base if k == 0 else self.patches[k - 1].commit
