# SPDX-License-Identifier: GPL-2.0-only
"""The conclusion of a run, computed once: every report is made from it. Pure."""

from collections.abc import Sequence

import msgspec

from harness.judge.clocks import Clocks, clocks
from harness.judge.combine import combine
from harness.judge.conditions.comparable import Identity
from harness.judge.conditions.noise import Noise
from harness.judge.conditions.validity import gather
from harness.judge.ratios.prefixes import PrefixResult, judged, of_each_build, results
from harness.judge.ratios.ratios import Effect
from harness.judge.ratios.replay_ratios import Filling, ReplayRow, fillings, rows
from harness.judge.rule_syntax import MEMMAP_EQUAL, Rule
from harness.judge.rules import RuleResult, hold
from harness.judge.runs.null_runs import NullSeen
from harness.judge.tabulate import BootTable, ReplayTable
from harness.judge.verdict import Verdict, judge
from harness.memmap.compare import Verified
from harness.project.claim import Claim
from harness.record.record import BootRun, ReplayRun, RunRecord
from harness.workloads import replayed_kinds


class Conclusion(msgspec.Struct, frozen=True):
    """A run and what follows from it.

    `verdicts` has one entry per claim about a build of the run, and one per driver without a claim.
    `rows` and `fillings` are empty unless the run is a replay, `prefixes` unless it is per patch.
    `identity` has an entry for each build but base. `memmaps` are compared by digest alone, so none
    names a page. `null` is the newest comparable run of base against itself. `rules` are the
    results of the rules that were given. `replay` is the conclusion of the replay that was made
    beside boots: then `verdicts` combine both, and rules are held against either. `clocks` compares
    two clocks in boots that decide nothing.
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
    clocks: tuple[Clocks, ...] = ()
    replay: "Conclusion | None" = None

    @property
    def parts(self) -> tuple["Conclusion", ...]:
        """The conclusion, and that of the replay beside the boots unless it has no builds."""
        if self.replay is None or not self.replay.record.builds:
            return (self,)
        return self, self.replay

    @property
    def booted(self) -> tuple[Verdict, ...]:
        """The verdicts, without those on claims that only the replay beside boots measured."""
        return tuple(v for v in self.verdicts if v.boots or v.evidence == self.record.evidence)


def conclude(
    record: RunRecord,
    claims: Sequence[Claim],
    nulls: Sequence[RunRecord] = (),
    rules: Sequence[Rule] = (),
    replay: ReplayRun | None = None,
) -> Conclusion:
    """Return the conclusion from a record and the claims of its series.

    `nulls` are runs of base against itself; the newest that is comparable with the run is used.
    `replay` is the one beside a run of boots. Raises InputError for a rule that this kind of
    evidence cannot decide.
    """
    if replay is not None:
        return _of_both(record, claims, nulls, rules, replay)
    if record.subject.other_commits:
        claims = ()  # the difference is not that of a series
    found = gather(record, nulls)
    table = found.table
    prefixes: tuple[PrefixResult, ...] = ()
    if isinstance(table, BootTable) and table.record.is_per_patch:
        verdicts = judged(found, table.record, claims)
        prefixes = results(table, found.memmaps, verdicts)
    elif isinstance(table, BootTable) and table.record.is_of_plan:
        verdicts = of_each_build(found, table.record, claims)
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
        clocks=tuple(clocks(record)) if isinstance(record, BootRun) else (),
    )


def _of_both(
    record: RunRecord,
    claims: Sequence[Claim],
    nulls: Sequence[RunRecord],
    rules: Sequence[Rule],
    replay: ReplayRun,
) -> Conclusion:
    asked = {rule: rule.kind in replayed_kinds(record) for rule in rules}
    first = conclude(record, claims, nulls, [rule for rule in rules if not asked[rule]])
    if replay.builds:
        of_replay = [rule for rule in rules if asked[rule] or rule.metric == MEMMAP_EQUAL]
        second = conclude(replay, claims, nulls, of_replay)
    else:
        why = f"the replay is {replay.outcome}: {replay.reason}"
        failed = (
            RuleResult(rule.text, ok=False, value=None, reason=why) for rule in rules if asked[rule]
        )
        second = Conclusion(replay, rules=tuple(failed))
    verdicts = combine(first.verdicts, second.verdicts, record.machine)
    results = {result.rule: result for result in second.rules}
    # Struct pages are equal if those of the boots are, and those of the replay.
    results |= {one.rule: one for one in first.rules if not one.ok or one.rule not in results}
    prefixes = tuple(
        msgspec.structs.replace(
            one, verdicts=tuple(v for v in verdicts if v.boots in one.verdicts or v in one.verdicts)
        )
        for one in first.prefixes
    )
    return msgspec.structs.replace(
        first,
        verdicts=verdicts,
        rules=tuple(results[rule.text] for rule in rules),
        prefixes=prefixes,
        replay=second,
    )
