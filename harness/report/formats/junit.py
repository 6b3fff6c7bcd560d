# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as JUnit XML: a testsuite a group, numbers as the suite's properties.

There is no one schema. What is written here is valid by both that are in use, Ant's JUnit.xsd
(Windy Road) and Jenkins' junit-10.xsd: no property below a testcase, no attribute of testsuites,
a time stamp without zone (it is UTC), every element that the one requires and none that the other
does not know.
"""

import io
import itertools
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
from harness.report import phrases
from harness.report.escaping import one_line, printable
from harness.report.row import Number, ReportRow
from harness.report.rows import results
from harness.report.summary_line import headline

#: Every name is below this one, as Java's are below a package.
PACKAGE = "memmap_harness"
_NO_NAME = re.compile(r"[^A-Za-z0-9_.<>=/-]+")


class _Suite(TestSuite):
    id = Attr()
    package = Attr()


def junit(conclusion: Conclusion) -> str:
    """Return the report as an XML document. Raises RecordError for a run without a time."""
    document = JUnitXml()
    groups = itertools.groupby(results(conclusion), lambda result: result.group)
    for number, (name, members) in enumerate(groups):
        document.append(_suite(conclusion, number, _name(name), list(members)))
    out = io.BytesIO()
    document.write(out, pretty=True)
    return out.getvalue().decode()


def _suite(conclusion: Conclusion, number: int, name: str, members: Sequence[ReportRow]) -> _Suite:
    record = conclusion.record
    suite = _Suite(name)
    suite.id, suite.package = str(number), PACKAGE
    suite.hostname = "localhost"  # a record does not name its host
    suite.timestamp = phrases.started(record).strftime("%Y-%m-%dT%H:%M:%S")
    suite.add_property("evidence", phrases.evidence(record))
    suite.add_property("run", one_line(record.run_id))
    for result in members:
        for value in result.numbers:
            suite.add_property(_key(result, value, record.evidence), f"{value.value:.6g}")
    suite.add_testcases([_case(name, result) for result in members])
    suite.append(SystemOut(_told(conclusion) if number == 0 else ""))
    suite.append(SystemErr(""))
    return suite


def _told(conclusion: Conclusion) -> str:
    record = conclusion.record
    lines = [phrases.subject(record), phrases.setting(record), headline(conclusion)]
    lines += [f"{noise.where}: {noise.text} ({noise.remedy})" for noise in conclusion.noise]
    return "\n".join(one_line(line) for line in lines)


def _case(group: str, result: ReportRow) -> TestCase:
    case = TestCase(_name(result.name), f"{PACKAGE}.{group}", round(result.duration_s, 3))
    text = one_line(result.text)
    found: Failure | Skipped | Error
    match result.status:
        case "pass" | "done":
            return case
        case "fail":
            found = Failure(text, "fail")
        case "skip":
            found = Skipped(text, "skip")
        case "error" | "miss":
            found = Error(text, result.status)
    found.text = printable(result.log)
    case.result = found
    return case


def _key(result: ReportRow, number: Number, evidence: str) -> str:
    """Return a property's name, the kind of evidence in front: `boot-kvm.claim.tip.first.ms`."""
    of = "claimed" if not number.measured else evidence
    build = "" if number.build == result.build else number.build
    parts = (of, result.name, build, number.name, number.unit)
    return ".".join(_name(part) for part in parts if part)


def _name(text: str) -> str:
    return _NO_NAME.sub("_", text) or "unnamed"
