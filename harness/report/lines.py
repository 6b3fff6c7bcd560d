# SPDX-License-Identifier: GPL-2.0-only
"""The sentences of a conclusion, each with the name of what it is about; pure, not escaped."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from harness.host import units
from harness.judge.conclude import Conclusion
from harness.judge.figures import FigureWord
from harness.judge.ratios.precision import MOST_BOOTS, Precision
from harness.judge.ratios.prefixes import PrefixResult, bisectable
from harness.judge.ratios.traffic import Explanation, explanations
from harness.judge.verdict import Verdict, Word
from harness.record.record import FOLLOW_UP, ReplayRun, RunRecord
from harness.report import identity, phrases
from harness.workloads import words

#: bad: the series is at fault. doubt: may be a fault of machine or procedure. open: undecided.
Tone = Literal["good", "bad", "doubt", "open", ""]
TONE: dict[Word, Tone] = {
    "reproduced": "good",
    "supported": "good",
    "contradicted": "bad",
    "doubted": "doubt",
    "inconclusive": "doubt",
    "open": "open",
    "untested": "open",
}


FIGURE_TONE: dict[FigureWord, Tone] = {
    "as the author's": "good",
    "not as the author's": "doubt",
    "inconclusive": "doubt",
    "untested": "open",
}


class Line(NamedTuple):
    """A sentence about `name`; `tone` chooses its colour."""

    name: str
    text: str
    tone: Tone = ""


def patches(conclusion: Conclusion) -> Iterator[Line]:
    """Yield the subject of each patch, what is wrong with it, and whether one can bisect."""
    found = conclusion.prefixes
    for prefix in found:
        if prefix.title:
            yield Line(prefix_name(prefix), prefix.title)
    for prefix in found:
        if prefix.why:
            yield Line(prefix_name(prefix), prefix.why, "bad")
        for warning in prefix.new_warnings or ():
            yield Line(f"{prefix_name(prefix)} adds a warning", warning, "bad")
    if any(prefix.builds and prefix.prefix and prefix.new_warnings is None for prefix in found):
        text = "? where the warnings of this build or of the one before were not recorded"
        yield Line("warnings", text, "open")
    if bisectable(conclusion.record, found):
        text = "every prefix builds, boots, binds and leaves struct pages identical to base"
        yield Line("bisectable", text, "good")


def verdicts(conclusion: Conclusion) -> Iterator[Line]:
    """Yield the verdict on each claim, and what no claim is about."""
    yield from judged(conclusion)
    yield from disagreements(conclusion)
    yield from own(conclusion)
    yield from commits(conclusion)


def judged(conclusion: Conclusion) -> Iterator[Line]:
    """Yield the verdict on each claim with its reason and the lines of the mail that state it."""
    for verdict in conclusion.verdicts:
        about = phrases.about(verdict)
        text = f"{verdict.verdict}: {verdict.reason}"
        yield Line(about, text, TONE[verdict.verdict])
        if quoted := phrases.quoted(verdict):
            yield Line(f"{about}, as stated", quoted)
        yield from _figures(conclusion.record, verdict)


def disagreements(conclusion: Conclusion) -> Iterator[Line]:
    """Yield each claim for which the intervals of boots and of the replay exclude each other."""
    for verdict in conclusion.verdicts:
        if verdict.disagrees:
            name = f"{phrases.about(verdict)}, boots and replay"
            yield Line(name, verdict.disagrees, "doubt")


def commits(conclusion: Conclusion) -> Iterator[Line]:
    """Yield the commits that differ between base and tip, if these are two of a repository."""
    subject = conclusion.record.subject
    for text in subject.commits:
        yield Line("commit", text)
    if subject.other_commits:
        others = units.count(subject.other_commits, "other commit")
        text = f"{others} between base and tip: no claim of a series is judged"
        yield Line("commits", text, "open")


def _figures(record: RunRecord, verdict: Verdict) -> Iterator[Line]:
    """Yield what was found about the other posted figures, if they could be tested."""
    name = phrases.about(verdict)
    if verdict.first is not None and verdict.first[0] != "untested":
        word, reason = verdict.first
        yield Line(f"{name}, {words(record).first}", f"{word}: {reason}", TONE[word])
    for one in verdict.figures:
        if one.verdict != "untested":
            text = f"{one.verdict}: {one.reason}"
            yield Line(f"{name}, {one.name}", text, FIGURE_TONE[one.verdict])


def unvouched(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what logs of another machine do not say, each once."""
    if said := phrases.taken_on_trust(conclusion.record):
        yield Line("taken on trust", "; ".join(said), "doubt")


def precision(conclusion: Conclusion) -> Iterator[Line]:
    """Yield how many boots each verdict needed, and what twice the time would bring."""
    for verdict in conclusion.verdicts:
        if (cost := verdict.precision) is not None:
            yield Line(f"{phrases.about(verdict)}, boots", _cost(conclusion.record, verdict, cost))


def _cost(record: RunRecord, verdict: Verdict, cost: Precision) -> str:
    is_decided = verdict.verdict in ("reproduced", "contradicted")
    if cost.sufficient is None:
        enough = f"a verdict would take more than {MOST_BOOTS} boots per build"
    elif not is_decided:
        enough = f"a verdict would take about {cost.sufficient} boots per build"
    elif cost.sufficient < cost.boots:
        enough = f"{cost.sufficient} per build would have sufficed"
    else:
        enough = f"all {cost.boots} per build were needed"
    sample = words(record).sample
    if sample:
        enough += f"; {units.count(cost.rebinds, sample)} per boot would have sufficed"
    widths = f"from {cost.width:.1%} to {cost.doubled:.1%}"
    return f"{enough}; twice the time would narrow the interval {widths}"


def own(conclusion: Conclusion) -> Iterator[Line]:
    """Yield that no claim is about the follow-up, if the run has one."""
    if conclusion.record.build(FOLLOW_UP) is not None:
        yield Line(FOLLOW_UP, "memmap-harness's own, in no posted version: no claim is about it")


def traffic(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what memory traffic can explain of a gain, at most, for each page order."""
    for part in conclusion.parts:
        record = part.record
        for found in explanations(record, part.verdicts) if isinstance(record, ReplayRun) else ():
            build = phrases.build(record, found.build)
            yield Line(f"traffic, {found.kind}", _explained(build, found))


def _explained(build: str, found: Explanation) -> str:
    base, ours, most = found.base_transfers, found.build_transfers, found.most_percent
    text = f"memory transfers at least {ours:.2f} cache lines per struct page for {build}"
    if f"{base:.2f}" == f"{ours:.2f}":
        text += ", as for base: less traffic explains none of a gain"
    elif most < 0:
        text += f", {base:.2f} for base: more traffic, which explains no gain"
    else:
        text += f", {base:.2f} for base: if memory is the limit, this explains at most {most:.0f} %"
        text += " of base's time"
    if found.claimed_percent is not None and found.claimed_percent > max(most, 0):
        left = found.claimed_percent - max(most, 0)
        text += f", {left:.1f} points less than the claimed {found.claimed_percent:.1f} %"
    if found.instructions is not None:
        before, after = found.instructions
        fewer = "fewer" if after < before else "not fewer"
        text += f"; the rest would be {fewer} instructions ({before:.0f} to {after:.0f} per page)"
    return text


def replay(conclusion: Conclusion) -> Iterator[Line]:
    """Yield how the replay beside the boots ended, unless it is complete."""
    if conclusion.replay is not None and conclusion.replay.record.outcome != "complete":
        yield Line("replay", phrases.outcome(conclusion.replay.record), "doubt")


def clocks(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what two clocks measured of the same bindings, if the run has boots for it."""
    for found in conclusion.clocks:
        build = phrases.build(conclusion.record, found.build)
        name = f"clocks, {found.metric} on {build}"
        if found.problem:
            yield Line(name, f"not compared: {found.problem}", "doubt")
            continue
        printed, probed = found.printed_ns / 1e6, found.probed_ns / 1e6
        bindings = units.count(found.bindings, "binding")
        text = f"{printed:.2f} ms by jiffies and {probed:.3f} ms by probes per rebind; up to"
        text += f" {found.apart_ns / 1e6:.3f} ms apart in {bindings},"
        text += f" {'within' if found.agree else 'more than'} the clock's step"
        yield Line(name, text, "" if found.agree else "doubt")


def rules(conclusion: Conclusion) -> Iterator[Line]:
    """Yield the result of each rule."""
    for rule in conclusion.rules:
        text = f"{rule.rule} {'holds' if rule.ok else 'fails'}: {rule.reason}"
        yield Line("rule", text, "good" if rule.ok else "bad")


def memmaps(conclusion: Conclusion) -> Iterator[Line]:
    """Yield each build whose struct pages failed the comparison with base, or that all passed."""
    found = [(part, one) for part in conclusion.parts for one in identity.memmaps(part)]
    failed = [(part, one) for part, one in found if one.failed]
    for part, one in failed:
        build = phrases.build(part.record, one.build)
        yield Line(f"struct pages of {one.metric}, {build}", one.sentence, "bad")
    if found and not failed:
        compared = sum(one.compared for _, one in found)
        yield Line("struct pages", identity.identical(compared), "good")


def noise(conclusion: Conclusion) -> Iterator[Line]:
    """Yield each noise finding with its hint."""
    for part in conclusion.parts:
        for found in part.noise:
            yield Line("noise", f"{phrases.noise(found)}; hint: {found.remedy}", "doubt")


def null(conclusion: Conclusion) -> Iterator[Line]:
    """Yield what the run of base against itself found, if there is such a run."""
    if (null := conclusion.null) is not None:
        text = f"base against base (run {null.run_id}): {null.finds or 'no difference'}"
        yield Line("null", text, "bad" if null.finds else "good")


def sameness(conclusion: Conclusion, pins_shown: int = 100) -> Iterator[Line]:
    """Yield what each build has in common with base, and in what it differs."""
    for part in conclusion.parts:
        for found in part.identity:
            name = phrases.build(part.record, found.build)
            if part is not conclusion:
                name = f"{name}, replay"
            for text in identity.sameness(found, pins_shown):
                yield Line(name, text, "" if found.ok else "bad")


def failed_prefix(conclusion: Conclusion) -> PrefixResult | None:
    """Return the first prefix that fails, if there is one."""
    return next((prefix for prefix in conclusion.prefixes if not prefix.holds), None)


def fault(prefix: PrefixResult) -> str:
    """Return a sentence on why a prefix fails."""
    if prefix.why:
        return f"{prefix_name(prefix)}: {prefix.why}"
    return f"{prefix_name(prefix)} adds {new_warnings(prefix)}"


def new_warnings(prefix: PrefixResult) -> str:
    """Return the number of compiler warnings that the last patch of a prefix adds."""
    return units.count(len(prefix.new_warnings or ()), "compiler warning")


def prefix_name(prefix: PrefixResult) -> str:
    """Return the name of a prefix's last patch, base or follow-up."""
    if prefix.name == FOLLOW_UP:
        return FOLLOW_UP
    return f"patch {prefix.prefix}" if prefix.prefix else "base"
