# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as a KCIDB report, schema 5.3, checked with kcidb-io and never submitted.

There is one checkout per build: a base with patches on it. Each number is a test of its own with
status DONE: a number alone passes nothing. Each row is another test without a number, but for a
claim that is supported, doubted or left open: that is DONE with the reduction measured.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from harness.judge.conclude import Conclusion
from harness.record.record import BootRun, Build, ReplayRun, RunRecord, Unbuilt
from harness.report import phrases
from harness.report.escaping import one_line, printable
from harness.report.row import Number, ReportRow
from harness.report.rows import results

ORIGIN = "memmap_harness"
#: The schema's limit for an excerpt, in characters.
MAX_EXCERPT = 16384
#: Units as KCIDB wants them, without prefix, and the factor for a number.
_UNITS = {
    "ms": ("s", 1e-3),
    "ns/page": ("s/page", 1e-9),
    "GB/s": ("B/s", 1e9),
}
_NO_PATH = re.compile(r"[^A-Za-z0-9_-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")

Object = dict[str, Any]


def kcidb(conclusion: Conclusion, origin: str = ORIGIN) -> str:
    """Return the report as JSON. Raises RecordError if the record has no valid start time."""
    from kcidb_io.schema import V5_3

    report = _Report(conclusion, origin)
    document = {
        "version": {"major": 5, "minor": 3},
        "checkouts": list(report.checkouts.values()),
        "builds": list(report.builds.values()),
        "tests": list(report.tests()),
    }
    V5_3.validate(document)
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def patchset_hash(digests: tuple[str, ...]) -> str:
    """Return KCIDB's hash of a patchset from the SHA-256 of each patch, in order."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


class _Report:
    """The objects of one conclusion: checkouts by id, builds by evidence and name."""

    def __init__(self, conclusion: Conclusion, origin: str) -> None:
        self.conclusion = conclusion
        self.records: dict[str, RunRecord] = {
            part.record.evidence: part.record for part in conclusion.parts
        }
        self.record = conclusion.record
        self.origin = origin
        self.checkouts: dict[str, Object] = {}
        self.builds: dict[tuple[str, str], Object] = {}
        for evidence, record in self.records.items():
            for build in record.builds:
                self.builds[evidence, build.name] = self._build(build, record)
            for missing in record.unbuilt if isinstance(record, BootRun) else ():
                self.builds[evidence, str(missing.prefix)] = self._failed_build(missing)

    def _object(self, *id_parts: str) -> Object:
        digest = hashlib.sha256("\0".join(id_parts).encode()).hexdigest()[:24]
        return {"id": f"{self.origin}:{digest}", "origin": self.origin}

    def _checkout(self, name: str, prefix: int, commit: str, *, has_patchset: bool) -> str:
        """Return the id of the checkout of a build, and add the checkout if it is new.

        Without `has_patchset` only the number of patches is known.
        """
        subject = self.record.subject
        patch_ids = subject.patch_ids[:prefix]
        made = self._object(subject.base, commit or " ".join(patch_ids)) | {
            "git_commit_name": one_line(f"v{subject.release}"),
            "start_time": phrases.started(self.record).isoformat(),
            "valid": True,
            "misc": {"tree": subject.tree},
        }
        if commit:
            made["misc"]["commit"] = commit
        if _COMMIT.fullmatch(subject.base):
            made["git_commit_hash"] = subject.base
        if prefix == 0:
            made["patchset_hash"] = ""
        else:
            made["comment"] = one_line(f"{subject.slug} ({subject.source}), build {name}")
            made["misc"] |= {
                "series": subject.slug,
                "version": subject.version,
                "patch_ids": list(patch_ids),
            }
        if prefix and has_patchset:
            if len(subject.patch_sha256) == len(subject.patch_ids):
                made["patchset_hash"] = patchset_hash(subject.patch_sha256[:prefix])
            if message_id := phrases.message_id(self.record):
                made["message_id"] = message_id
        self.checkouts.setdefault(made["id"], made)
        return str(made["id"])

    def _build(self, build: Build, record: RunRecord) -> Object:
        # A variant and a follow-up have patches on top of the series.
        is_prefix = build.kind == "prefix"
        checkout = self._checkout(build.name, build.prefix, build.commit, has_patchset=is_prefix)
        made = self._object(build.commit, build.config_sha256, build.build_id, build.name) | {
            "checkout_id": checkout,
            "architecture": "x86_64",
            "compiler": one_line(build.compiler),
            "status": "PASS",
            "misc": {
                "build": build.name,
                "release": build.release,
                "build_id": build.build_id,
                "config_sha256": build.config_sha256,
            },
        }
        if isinstance(record, ReplayRun):
            made["comment"] = "only the object with the tested function, run outside a kernel"
        return made

    def _failed_build(self, missing: Unbuilt) -> Object:
        """Return the build of a prefix that does not build; its commit is not recorded."""
        name = str(missing.prefix)
        what, _, detail = missing.reason.partition("\n")
        made = self._object(self.record.run_id, self.record.subject.base, name) | {
            "checkout_id": self._checkout(name, missing.prefix, "", has_patchset=True),
            "architecture": "x86_64",
            "status": "FAIL",
            "comment": one_line(what),
            "misc": {"build": name},
        }
        if detail:
            made["log_excerpt"] = printable(detail)[:MAX_EXCERPT]
        return made

    def tests(self) -> Iterator[Object]:
        """Yield a test per row and one per measured number."""
        for row in results(self.conclusion):
            build = self._built(row.evidence, row.build)
            yield self._row(row, build)
            for number in row.numbers:
                if number.measured:
                    name = number.build or row.build
                    yield self._number(row, number, self._built(number.origin, name))

    def _built(self, evidence: str, name: str) -> Object:
        """Return a build by evidence and name; that of the whole series for any other name."""
        last = self.records[evidence].tip.name
        return self.builds.get((evidence, name), self.builds[evidence, last])

    def _row(self, row: ReportRow, build: Object) -> Object:
        made = self._test(build, row.evidence, row.group, row.name)
        status = "done" if row.status == "doubt" else row.status
        made |= {"status": status.upper(), "comment": one_line(row.text)}
        by_replay = status == "done" and [n for n in row.numbers if _is_saving(n)]
        if by_replay:
            made["number"] = _value(by_replay[0])
        if row.log:
            made["log_excerpt"] = printable(row.log)[:MAX_EXCERPT]
        if row.duration_s:
            made["duration"] = row.duration_s
        claimed = [number.value for number in row.numbers if not number.measured]
        if claimed:
            made["misc"]["claimed_reduction_percent"] = claimed[0]
        return made

    def _number(self, row: ReportRow, number: Number, build: Object) -> Object:
        name = "" if number.build == row.build else number.build
        path = [part for part in (row.group, row.name, name, number.name) if part]
        return self._test(build, number.origin, *path) | {
            "status": "DONE",
            "number": _value(number),
        }

    def _test(self, build: Object, evidence: str, *path: str) -> Object:
        """Return what all tests share; the path names the evidence: no trend may mix clocks."""
        record = self.records[evidence]
        parts = [_NO_PATH.sub("_", part) for part in (ORIGIN, evidence, *path)]
        where = ".".join(part or "_" for part in parts)
        return {
            "build_id": build["id"],
            "id": f"{self.origin}:{_NO_PATH.sub('_', record.run_id)}:{where}",
            "origin": self.origin,
            "path": where,
            "environment": {
                "comment": one_line(f"{record.machine.cpu}; {phrases.evidence(record)}"),
                "misc": {name: one_line(value) for name, value in phrases.environment(record)},
            },
            "misc": {"evidence": record.evidence},
        }


def _is_saving(number: Number) -> bool:
    """Whether a number is the reduction that a replay measured, or that logs show."""
    return number.name == "reduction" and number.origin in ("replay", "reported")


def _value(number: Number) -> Object:
    unit, factor = _UNITS.get(number.unit, (number.unit, 1.0))
    made: Object = {"value": number.value * factor}
    if unit:
        made["unit"] = "%" if unit == "percent" else unit
    if number.unit in _UNITS:
        made["prefix"] = "metric"
    return made
