# SPDX-License-Identifier: GPL-2.0-only
"""The conclusion of a run, computed once: every report is made from it. Pure."""

from collections.abc import Sequence

import msgspec

from harness.judge.conditions.comparable import Identity
from harness.judge.conditions.noise import Noise
from harness.judge.conditions.validity import gather
from harness.judge.ratios.prefixes import PrefixResult, judged, results
from harness.judge.ratios.ratios import Effect
from harness.judge.ratios.replay_ratios import Filling, ReplayRow, fillings, rows
from harness.judge.rule_syntax import Rule
from harness.judge.rules import RuleResult, hold
from harness.judge.runs.null_runs import NullSeen
from harness.judge.tabulate import BootTable, ReplayTable
from harness.judge.verdict import Verdict, judge
from harness.memmap.compare import Verified
from harness.project.claim import Claim
from harness.record.record import RunRecord


class Conclusion(msgspec.Struct, frozen=True):
    """A run and what follows from it.

    `verdicts` has one entry per claim about a build of the run, and one per driver without a claim.
    `rows` and `fillings` are empty unless the run is a replay, `prefixes` unless it is per patch.
    `identity` has an entry for each build but base. `memmaps` are compared by digest alone, so none
    names a page. `null` is the newest comparable run of base against itself. `rules` are the
    results of the rules that were given.
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
    rules: tuple[RuleResult, ...] = ()
    prefixes: tuple[PrefixResult, ...] = ()


def conclude(
    record: RunRecord,
    claims: Sequence[Claim],
    nulls: Sequence[RunRecord] = (),
    rules: Sequence[Rule] = (),
) -> Conclusion:
    """Return the conclusion from a record and the claims of its series.

    `nulls` are runs of base against itself; the newest that is comparable with the run is used.
    Raises InputError for a rule that this kind of evidence cannot decide.
    """
    if record.subject.other_commits:
        claims = ()  # the difference is not that of a series
    found = gather(record, nulls)
    table = found.table
    prefixes: tuple[PrefixResult, ...] = ()
    if isinstance(table, BootTable) and table.record.is_per_patch:
        verdicts = judged(found, table.record, claims)
        prefixes = results(table, found.memmaps, verdicts)
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
        rules=hold(rules, found),
        prefixes=prefixes,
    )
