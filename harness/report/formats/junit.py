# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as JUnit XML: one testsuite per group, numbers as properties of the suite; pure.

The output is valid by both schemas in use, Ant's JUnit.xsd (Windy Road) and Jenkins' junit-10.xsd:
no property below a testcase, no attribute of testsuites, a time stamp without zone (it is UTC),
every element that the one requires and none that the other does not know.
"""

import io
import re
from collections.abc import Sequence

from junitparser import (
    Attr,
    Error,
    Failure,
    JUnitXml,
    Skipped,
    SystemErr,
    SystemOut,
    TestCase,
    TestSuite,
)

from harness.judge.conclude import Conclusion
from harness.report import lines, phrases
from harness.report.escaping import one_line, printable
from harness.report.row import Number, ReportRow
from harness.report.rows import groups
from harness.report.verdict_line import headline

#: Where Java has its packages.
PACKAGE = "memmap_harness"
_NO_NAME = re.compile(r"[^A-Za-z0-9_.<>=/-]+")


class _Suite(TestSuite):
    id = Attr()
    package = Attr()


def junit(conclusion: Conclusion) -> str:
    """Return an XML document. Raises RecordError if the record has no valid start time."""
    document = JUnitXml()
    for number, (group, rows) in enumerate(groups(conclusion).items()):
        document.append(_suite(conclusion, number, _name(group), rows))
    out = io.BytesIO()
    document.write(out, pretty=True)
    return out.getvalue().decode()


def _suite(conclusion: Conclusion, number: int, name: str, rows: Sequence[ReportRow]) -> _Suite:
    record = conclusion.record
    suite = _Suite(name)
    suite.id, suite.package = str(number), PACKAGE
    suite.hostname = "localhost"  # a record does not name its host
    suite.timestamp = phrases.started(record).strftime("%Y-%m-%dT%H:%M:%S")
    of = next((p.record for p in conclusion.parts if p.record.evidence == rows[0].evidence), record)
    suite.add_property("evidence", phrases.evidence(of))
    suite.add_property("run", one_line(record.run_id))
    for row in rows:
        for value in row.numbers:
            suite.add_property(_key(row, value), f"{value.value:.6g}")
    suite.add_testcases([_case(name, row) for row in rows])
    suite.append(SystemOut(_summary(conclusion) if number == 0 else ""))
    suite.append(SystemErr(""))
    return suite


def _summary(conclusion: Conclusion) -> str:
    texts = [phrases.subject(conclusion.record)]
    texts += [phrases.setting(part.record) for part in conclusion.parts]
    texts += [headline(conclusion), *(line.text for line in lines.noise(conclusion))]
    return "\n".join(one_line(text) for text in texts)


def _case(group: str, row: ReportRow) -> TestCase:
    case = TestCase(_name(row.name), f"{PACKAGE}.{group}", round(row.duration_s, 3))
    text = one_line(row.text)
    found: Failure | Skipped | Error
    match row.status:
        case "pass" | "done":
            return case
        case "fail":
            found = Failure(text, "fail")
        case "skip" | "doubt":
            found = Skipped(text, row.status)
        case "error" | "miss":
            found = Error(text, row.status)
    found.text = printable(row.log)
    case.result = found
    return case


def _key(row: ReportRow, number: Number) -> str:
    """Return the name of a property, starting with the evidence: `boot-kvm.claim.tip.first.ms`."""
    build = "" if number.build == row.build else number.build
    parts = (number.origin, row.name, build, number.name, number.unit)
    return ".".join(_name(part) for part in parts if part)


def _name(text: str) -> str:
    return _NO_NAME.sub("_", text) or "unnamed"
