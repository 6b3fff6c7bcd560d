# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of a run's page as SVG files, for a mail or a talk; pure."""

import re
from collections.abc import Iterator

from markupsafe import Markup

from harness.judge.conclude import Conclusion
from harness.judge.ratios.per_patch import cost_steps
from harness.report import phrases
from harness.report.escaping import one_line
from harness.report.page.run_page import environment
from harness.report.page.strips import DrawnStrip, draw_strip, strips
from harness.report.page.waterfall import DrawnWaterfall, draw_waterfall


def draw(conclusion: Conclusion) -> Iterator[tuple[str, bytes]]:
    """Yield file name and content of each picture; equal records give equal bytes."""
    record = conclusion.record
    shown: dict[str, DrawnStrip | DrawnWaterfall] = {
        f"samples-{strip.kind}-{strip.op}": draw_strip(strip) for strip in strips(conclusion)
    }
    shown |= {
        f"gain-{one.kind}-{one.cost_unit}": draw_waterfall(one) for one in cost_steps(conclusion)
    }
    source = f"{phrases.subject(record)}, {record.machine.cpu}, {record.evidence}, {record.run_id}"
    template = environment().get_template("picture.svg")
    for name, picture in shown.items():
        text = template.render(
            picture=picture,
            is_strip=isinstance(picture, DrawnStrip),
            source=one_line(source, 120),
            rules=_rules(str(environment().globals["style"])),
        )
        yield f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)}.svg", text.encode()


def _rules(style: str) -> Markup:
    """Return the page's CSS rules for pictures, in its light colours: few viewers know var()."""
    colours = dict(re.findall(r"(--\w+): (#\w+);", style.partition("}")[0]))
    rules = "\n".join(re.findall(r"^svg \..*$", style, re.MULTILINE))
    return Markup(re.sub(r"var\((--\w+)\)", lambda found: colours[found[1]], rules))  # noqa: S704 (ours)
