# SPDX-License-Identifier: GPL-2.0-only
"""A conclusion as a KCIDB report, schema 5.3, checked with kcidb-io and never submitted.

There is one checkout per build: a base with patches on it. Each number is a test of its own with
status DONE, each row another test without a number: a number alone passes nothing.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

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

    record = conclusion.record
    checkouts = {build.commit: _checkout(record, build, origin) for build in record.builds}
    builds = {
        build.name: _build(record, build, checkouts[build.commit]["id"], origin)
        for build in record.builds
    }
    for missing in record.unbuilt if isinstance(record, BootRun) else ():
        checkout = _checkout(record, _unmade(record, missing), origin)
        checkouts[str(checkout["id"])] = checkout
        builds[str(missing.prefix)] = _failed(record, missing, checkout["id"], origin)
    report = {
        "version": {"major": 5, "minor": 3},
        "checkouts": list(checkouts.values()),
        "builds": list(builds.values()),
        "tests": list(_tests(conclusion, builds, origin)),
    }
    V5_3.validate(report)
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def _checkout(record: RunRecord, build: Build, origin: str) -> Object:
    subject = record.subject
    patch_ids = subject.patch_ids[: build.prefix]
    made: Object = {
        "id": f"{origin}:{_id(subject.base, build.commit or ' '.join(patch_ids))}",
        "origin": origin,
        "git_commit_name": one_line(f"v{subject.release}"),
        "start_time": phrases.started(record).isoformat(),
        "valid": True,
        "misc": {"tree": subject.tree},
    }
    if build.commit:
        made["misc"]["commit"] = build.commit
    if _COMMIT.fullmatch(subject.base):
        made["git_commit_hash"] = subject.base
    if build.prefix == 0:
        return made | {"patchset_hash": ""}
    # A variant has one more patch than the series, which is not in the record.
    if build.kind == "prefix":
        made |= _patchset(record, build)
    made["comment"] = one_line(f"{subject.slug} ({subject.source}), build {build.name}")
    made["misc"] |= {
        "series": subject.slug,
        "version": subject.version,
        "patch_ids": list(patch_ids),
    }
    return made


def _patchset(record: RunRecord, build: Build) -> Object:
    """Return hash and message-id of the patches, as far as the record has them."""
    subject = record.subject
    made: Object = {}
    if len(subject.patch_sha256) == len(subject.patch_ids):
        made["patchset_hash"] = patchset_hash(subject.patch_sha256[: build.prefix])
    if message_id := phrases.message_id(record):
        made["message_id"] = message_id
    return made


def patchset_hash(digests: tuple[str, ...]) -> str:
    """Return KCIDB's hash of a patchset from the SHA-256 of each patch, in order."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def _build(record: RunRecord, build: Build, checkout: str, origin: str) -> Object:
    made: Object = {
        "checkout_id": checkout,
        "id": f"{origin}:{_id(build.commit, build.config_sha256, build.build_id, build.name)}",
        "origin": origin,
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


def _unmade(record: RunRecord, missing: Unbuilt) -> Build:
    """Return the build of a prefix that does not build; its commit is not recorded."""
    return msgspec.structs.replace(
        record.builds[0], name=str(missing.prefix), prefix=missing.prefix, commit=""
    )


def _failed(record: RunRecord, missing: Unbuilt, checkout: str, origin: str) -> Object:
    """Return the failed KCIDB build of a prefix that does not build."""
    what, _, detail = missing.reason.partition("\n")
    made: Object = {
        "checkout_id": checkout,
        "id": f"{origin}:{_id(record.run_id, record.subject.base, str(missing.prefix))}",
        "origin": origin,
        "architecture": "x86_64",
        "status": "FAIL",
        "comment": one_line(what),
        "misc": {"build": str(missing.prefix)},
    }
    if detail:
        made["log_excerpt"] = printable(detail)[:MAX_EXCERPT]
    return made


def _tests(conclusion: Conclusion, builds: dict[str, Object], origin: str) -> Iterator[Object]:
    record = conclusion.record
    last = record.builds[-1].name
    for result in results(conclusion):
        entry = builds.get(result.build or last, builds[last])
        yield _test(record, entry, origin, result)
        for number in result.numbers:
            if number.measured:
                of = builds.get(number.build, entry)
                yield _measurement(record, of, origin, result, number)


def _test(record: RunRecord, entry: Object, origin: str, result: ReportRow) -> Object:
    made = _of(record, entry, origin, (result.group, result.name))
    made["status"] = result.status.upper()
    made["comment"] = one_line(result.text)
    if result.log:
        made["log_excerpt"] = printable(result.log)[:MAX_EXCERPT]
    if result.duration_s:
        made["duration"] = result.duration_s
    claimed = [number.value for number in result.numbers if not number.measured]
    if claimed:
        made["misc"]["claimed_reduction_percent"] = claimed[0]
    return made


def _measurement(
    record: RunRecord, entry: Object, origin: str, result: ReportRow, number: Number
) -> Object:
    build = "" if number.build == result.build else number.build
    path = [part for part in (result.group, result.name, build, number.name) if part]
    unit, scale = _UNITS.get(number.unit, (number.unit, 1.0))
    measured: Object = {"value": number.value * scale}
    if unit:
        measured["unit"] = "%" if unit == "percent" else unit
    if number.unit in _UNITS:
        measured["prefix"] = "metric"
    made = _of(record, entry, origin, path)
    return made | {"status": "DONE", "number": measured}


def _of(record: RunRecord, entry: Object, origin: str, path: list[str] | tuple[str, ...]) -> Object:
    """Return what all tests share. The path names the evidence, so that no trend mixes clocks."""
    parts = [_NO_PATH.sub("_", part) for part in (ORIGIN, record.evidence, *path)]
    where = ".".join(part or "_" for part in parts)
    return {
        "build_id": entry["id"],
        "id": f"{origin}:{_NO_PATH.sub('_', record.run_id)}:{where}",
        "origin": origin,
        "path": where,
        "environment": {
            "comment": one_line(f"{record.machine.cpu}; {phrases.evidence(record)}"),
            "misc": {name: one_line(value) for name, value in phrases.environment(record)},
        },
        "misc": {"evidence": record.evidence},
    }


def _id(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
