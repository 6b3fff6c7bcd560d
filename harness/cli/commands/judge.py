# SPDX-License-Identifier: GPL-2.0-only
"""`harness judge`: a run's conclusion as an exit code, for CI."""

from typing import TYPE_CHECKING

import click

from harness.cli import printable
from harness.cli.options import gate_rule, json_option, print_json, require_options
from harness.project.project import Project
from harness.record import store
from harness.record.find import find_run

if TYPE_CHECKING:
    from harness.judge.conclude import Conclusion
    from harness.judge.exit_code import Required


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="RULE",
    help="Judge by this rule instead of the claims; may be given again.",
)
@require_options
@json_option
def judge(
    run: str | None, gates: tuple[str, ...], require: "Required | None", as_json: bool
) -> None:
    """Judge RUN from its record alone; exit with 0 only if everything required holds.

    RUN is a run id, a run's folder or its record.json (default: the newest run that is not a null
    run). Without --gate, every claim must be reproduced (or what --require says) and every patch of
    a per-patch run must hold. With --gate only the rules count, and what --require says; a rule
    whose number is missing or unusable fails.

    \b
    A rule is KIND[@BUILD][.rebind|.first|.traffic].METRIC<NUMBER, or memmap.equal.
      KIND     nd_pmem, dax_pmem (boots); order0, order9 (a replay)
      BUILD    a prefix or a replay's variant, or each (default: the last build)
      METRIC   ratio, ratio_low, ratio_high, ms, ns_per_page, instructions, instructions_ratio;
               of .traffic: whole, partial, ordinary, twice, read_back (cache lines per page)
      <        or <= > >=; == for counts

    \b
    Examples:
      harness judge
      harness judge --require supported                     a replay is enough
      harness judge --gate 'nd_pmem.rebind.ratio<0.6' --gate memmap.equal
      harness judge --gate 'order0@each.ratio_low<=1.02'    no patch is slower (a replay)
      harness judge --gate 'order0.traffic.ordinary==0'     a page is only streamed (a count)
      harness judge 20260101T120000-abcdef --gate 'order9.instructions_ratio<0.7' --json
    """
    from harness.cli.runs import concluded
    from harness.judge.exit_code import judge_exit_code

    rules = [gate_rule(text) for text in gates]
    project = Project.find()
    folder = find_run(project.results, run)
    record = store.load(folder)
    found = concluded(project, record, rules, folder)
    path = store.folder_of(project.results, record) / store.FILE
    code = judge_exit_code(found, require)
    if as_json:
        print_json(_document(found, str(path), ok=code == 0))
    else:
        _show(found)
        click.echo(f"record: {path}")
    if code:
        raise click.exceptions.Exit(code)


def _show(found: "Conclusion") -> None:
    from harness.report import lines, phrases

    for prefix in found.prefixes:
        if not prefix.holds:
            click.echo(printable(lines.fault(prefix)))
    for v in found.verdicts:
        click.echo(printable(f"{phrases.about(v)}: {v.verdict}: {v.reason}"))
    if not found.verdicts:
        click.echo(f"version {found.record.subject.version} has no claim that this run measured")
    for line in (*lines.replay(found), *lines.disagreements(found)):
        click.echo(printable(f"{line.name}: {line.text}"))
    for noise in (one for part in found.parts for one in part.noise):
        click.echo(printable(f"noise: {noise.where}: {noise.text}; {noise.remedy}"))
    if found.null is not None:
        result = found.null.finds or "no difference, as expected"
        click.echo(f"base against itself (run {found.null.run_id}): {result}")
    for rule in found.rules:
        click.echo(printable(f"rule {rule.rule}: {'ok' if rule.ok else 'FAILED'}: {rule.reason}"))


def _document(found: "Conclusion", path: str, *, ok: bool) -> dict[str, object]:
    return {
        "ok": ok,
        "record": path,
        "outcome": found.record.outcome,
        "evidence": found.record.evidence,
        "prefixes": [{"prefix": r.prefix, "holds": r.holds, "why": r.why} for r in found.prefixes],
        "verdicts": [
            {
                "metric": v.metric,
                "build": v.build,
                "after_patch": v.after_patch,
                "setup": v.setup,
                "claimed_percent": v.claimed_percent,
                "verdict": v.verdict,
                "reason": v.reason,
                "evidence": v.evidence,
            }
            for v in found.verdicts
        ],
        "effects": found.effects,
        "noise": found.noise,
        "null": found.null,
        "alike": {proof.build: proof.ok for proof in found.identity},
        "gates": found.rules,
    }
