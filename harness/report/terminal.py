# SPDX-License-Identifier: GPL-2.0-only
"""A judged run for a terminal: the table, the verdicts, and what this evidence may be used for."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.analysis.judge import Verdict
from harness.analysis.summary import Binding
from harness.model.record import RunRecord

_MAY = {
    "boot-kvm": (
        "guest time on a real CPU",
        "decides a claim where guest and procedure match it",
    ),
    "boot-tcg": (
        "emulated time (TCG)",
        "shows that base and series build, boot, bind and initialize every page, not how fast",
    ),
    "boot-icount": (
        "executed instructions",
        "compares work done; says nothing of memory bandwidth",
    ),
    "replay": (
        "the compiled function on this CPU, without a guest",
        "supports or doubts a claim; does not decide it",
    ),
}
_STYLE = {"reproduced": "green", "contradicted": "red"}


def table(record: RunRecord, verdicts: Sequence[Verdict]) -> RenderableType:
    """Return the report as something rich can print."""
    subject, setup = record.subject, record.setup
    tip = record.sides[1]
    tip_name = "series" if tip.prefix == len(subject.patch_ids) else f"patches 1-{tip.prefix}"
    setting = f"{setup.guest}, {setup.rebinds} rebinds, {setup.boots} boot(s) a side"
    grid = Table(
        title=f"{subject.slug} ({subject.source}) on v{subject.release}\n{setting}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    # Emulated or counted, a reduction is no CPU's: the heading says so wherever the number stands.
    reduction = "reduction" if record.evidence == "boot-kvm" else f"reduction\n({record.evidence})"
    for name in ("driver", ""):
        grid.add_column(name, no_wrap=True)
    for name in ("base\n(ms)", f"{tip_name}\n(ms)", reduction, "claimed"):
        grid.add_column(name, justify="right", no_wrap=True)
    for v in verdicts:
        s = v.summary
        grid.add_row(s.driver, "first binding", _ms(s.base, "first"), _ms(s.tip, "first"))
        grid.add_row(
            "",
            _average(s.base, s.tip),
            _ms(s.base, "mean"),
            _ms(s.tip, "mean"),
            _percent(s.reduction_percent),
            _percent(v.claimed_percent),
        )
    what, may = _MAY[record.evidence]
    lines = [
        f"[bold]{v.summary.driver}[/]: [{_STYLE.get(v.verdict, 'yellow')}]{v.verdict}[/]: "
        f"{escape(v.reason)}"
        for v in verdicts
    ]
    lines.append(f"[bold]evidence[/]: {record.evidence}, {what}: {may}")
    lines.append(f"[bold]machine[/]: {escape(_machine(record))}")
    return Group(grid, *(Text.from_markup(line) for line in lines))


def _machine(record: RunRecord) -> str:
    host = record.machine
    return (
        f"{host.cpu}, {host.cpus} cpus; {host.accelerator}: {host.accelerator_proof}; "
        f"kernels built with {record.sides[0].compiler}"
    )


def _average(base: Binding | None, tip: Binding | None) -> str:
    counts = sorted({b.rebinds for b in (base, tip) if b is not None})
    return f"average of {' and '.join(map(str, counts)) or 'no'} rebinds"


def _ms(binding: Binding | None, which: str) -> str:
    if binding is None:
        return "-"
    return f"{binding.first_ms if which == 'first' else binding.rebind_mean_ms:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"
