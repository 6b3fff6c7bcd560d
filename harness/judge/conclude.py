# SPDX-License-Identifier: GPL-2.0-only
"""Everything there is to say of one run, worked out once: what every report is made from."""

from collections.abc import Sequence

import msgspec

from harness.judge.comparable import Identity
from harness.judge.noise import Noise
from harness.judge.prefixes import PrefixResult, judged, rungs
from harness.judge.ratios import Effect
from harness.judge.replay_ratios import Filling, ReplayRow, fillings, rows
from harness.judge.rule_syntax import Rule
from harness.judge.rules import RuleResult, hold
from harness.judge.runs.null_runs import NullSeen
from harness.judge.tabulate import BootTable, ReplayTable
from harness.judge.validity import gather
from harness.judge.verdict import Verdict, judge
from harness.memmap.compare import Verified
from harness.project.claim import Claim
from harness.record.record import RunRecord


class Conclusion(msgspec.Struct, frozen=True):
    """A run and what follows from it.

    `verdicts` has one entry a claim that a build of the run answers to, and one a driver without;
    `rows` and `fillings` are a replay's and `rungs` a ladder's, and empty otherwise; `identity` has
    an entry a build but base; `memmaps` are compared by digest alone, so a Verified that is not
    `ok` names no page; `null` is the newest base-against-base run that this one may be held to, if
    there is any; `gates` are the rules that were asked for.
    """

    record: RunRecord
    verdicts: tuple[Verdict, ...] = ()
    effects: tuple[Effect, ...] = ()
    rows: tuple[ReplayRow, ...] = ()
    fillings: tuple[Filling, ...] = ()
    noise: tuple[Noise, ...] = ()
    identity: tuple[Identity, ...] = ()
    memmaps: tuple[Verified, ...] = ()
    null: NullSeen | None = None
    gates: tuple[RuleResult, ...] = ()
    rungs: tuple[PrefixResult, ...] = ()


def conclude(
    record: RunRecord,
    claims: Sequence[Claim],
    nulls: Sequence[RunRecord] = (),
    rules: Sequence[Rule] = (),
) -> Conclusion:
    """Return the conclusion from a record and the claims of its series.

    `nulls` are runs of base against base, of which the newest that may be held against the run is
    used. Raises InputError for a rule that this evidence must never be held to.
    """
    found = gather(record, nulls)
    table = found.table
    prefixes: tuple[PrefixResult, ...] = ()
    if isinstance(table, BootTable) and table.record.is_per_patch:
        verdicts = judged(found, table.record, claims)
        prefixes = rungs(table, found.memmaps, verdicts)
    else:
        verdicts = judge(found, claims)
    return Conclusion(
        record,
        verdicts=verdicts,
        effects=found.effects,
        rows=rows(table, found.effects, found.memmaps) if isinstance(table, ReplayTable) else (),
        fillings=fillings(table) if isinstance(table, ReplayTable) else (),
        noise=found.noise,
        identity=found.identity,
        memmaps=found.memmaps,
        null=found.null,
        gates=hold(rules, found),
        rungs=prefixes,
    )
