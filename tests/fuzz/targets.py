# SPDX-License-Identifier: GPL-2.0-only
"""The parsers, each as a function that takes any bytes and raises nothing but a defect.

A target is named after its module. Hypothesis (tests/unit/test_parsers.py) and atheris
(tests/fuzz/fuzz.py) run all of them.
"""

import contextlib
import gzip
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import workloads
from harness.claims import claims
from harness.doctor import packages
from harness.errors import InputError, RecordError
from harness.git import conflict, diff, range_diff
from harness.guest.console import agent_log, console, console_findings
from harness.host.units import parse_duration, parse_size
from harness.judge import rule_syntax
from harness.kernel import call_graph, kconfig, objdump, symbols
from harness.kernel.make import cmd_file, make_output, warning_lines
from harness.memmap import info_block, struct_layout, struct_pages
from harness.project.claim import Claim
from harness.project.guest import Guest
from harness.project.matrix_plan import Matrix
from harness.project.plan import Plan
from harness.project.series import Series
from harness.project.tree_source import TreeSource
from harness.project.yaml_file import YamlFile
from harness.record import store
from harness.record.bundle import archive
from harness.series.mails import attestation, mail
from harness.trees import apt_sources, release_of_tree
from harness.workloads.workload import Expected

Target = Callable[[bytes], None]
WORKLOAD = workloads.find("zone_device")
TARGETS: dict[str, Target] = {}
KINDS: tuple[Any, ...] = (Guest, Plan, Matrix, Series, dict[str, TreeSource], tuple[Claim, ...])


def target(function: Target) -> Target:
    TARGETS[function.__name__.rstrip("_")] = function
    return function


def text(data: bytes) -> str:
    """Decode bytes as the harness decodes untrusted text."""
    return data.decode("utf-8", "replace")


@contextlib.contextmanager
def in_file(data: bytes, suffix: str = "") -> Any:
    handle, name = tempfile.mkstemp(suffix=suffix, dir="/dev/shm")
    try:
        os.write(handle, data)
        os.close(handle)
        yield Path(name)
    finally:
        Path(name).unlink()


@target
def mail_(data: bytes) -> None:
    with contextlib.suppress(mail.MailError):
        for patch in mail.parse_series(data):
            assert 1 <= patch.number <= patch.total


@target
def diff_(data: bytes) -> None:
    with contextlib.suppress(diff.DiffError):
        for hunk in diff.parse_diff(text(data).splitlines()):
            assert not hunk.file.startswith("/")
            assert ".." not in hunk.file.split("/")


@target
def console_(data: bytes) -> None:
    expected = {"nd_pmem": Expected(3), "dax_pmem": Expected(2)}
    found = console.steps(text(data), expected, WORKLOAD.read)
    assert len(found.found) <= 5
    if not found.problems:
        assert len(found.found) == 5


@target
def console_findings_(data: bytes) -> None:
    lines = text(data).split("\n")
    for found in console_findings.findings(text(data)):
        assert 1 <= found.line <= len(lines)
        assert (
            found.splat.count("\n")
            <= console_findings.MAX_SPLAT_LINES + console_findings.MAX_WORDS_LINES
        )


@target
def agent_log_(data: bytes) -> None:
    report = agent_log.parse(data, WORKLOAD.line_types)
    assert not (report.ended and report.problems)
    _ = report.build_id


@target
def info_block_(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert info_block.parse(data).npfns > 0


@target
def struct_pages_(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        runs = struct_pages.read(io.BytesIO(data), len(data) // 64, 64, 1 << 63, 0, 16)
        assert runs.nr_pages == len(data) // 64


@target
def kconfig_(data: bytes) -> None:
    kconfig.parse_config(text(data))
    for need in kconfig.needs(text(data), "NUMA"):
        need.unmet({})
    with contextlib.suppress(ValueError):
        kconfig.parse_fragment(text(data))


@target
def objdump_(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        code = objdump.parse_disassembly(text(data))
        call_graph.reach(code, (code.functions[0].name,), ("f",))


@target
def release_of_tree_(data: bytes) -> None:
    release = release_of_tree.release(text(data))
    assert release is None or ".." not in release


@target
def cmd_file_(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        cmd_file.compiling(cmd_file.saved_command(text(data), "mm/mm_init.o"), "a.c", "a.o")


@target
def claims_(data: bytes) -> None:
    posting = claims.read_posting(data, claims.UserAnswers())
    assert all(claim.metric for claim in posting.claims)


@target
def rule_syntax_(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        rule_syntax.parse_rule(text(data))


@target
def symbols_(data: bytes) -> None:
    assert all(size >= 0 for size in symbols.sizes(text(data)).values())


@target
def attestation_(data: bytes) -> None:
    assert all(attestation.attestations(text(data)))


@target
def make_output_(data: bytes) -> None:
    for line in text(data).splitlines():
        make_output.of_machine(line)


@target
def warning_lines_(data: bytes) -> None:
    reader = warning_lines.Reader("/source")
    for line in text(data).split("\n"):
        reader.hear(line)
    assert all(n > 0 for counts in reader.found.values() for n in counts.values())


@target
def range_diff_(data: bytes) -> None:
    for pair in range_diff.parse_range_diff(text(data)):
        assert pair.before is None or pair.before >= 0


@target
def conflict_(data: bytes) -> None:
    merged, _, ours = text(data).partition("\0")
    with contextlib.suppress(ValueError):
        for region in conflict.regions(merged, ours):
            assert region.first >= 1


@target
def archive_(data: bytes) -> None:
    """Read the bytes as they are, and compressed with the right checksum."""
    for whole in (data, archive.seal(gzip.compress(data, compresslevel=1, mtime=0))):
        with in_file(whole, ".tar.gz") as path, contextlib.suppress(RecordError):
            archive.read(path)


@target
def apt_sources_(data: bytes) -> None:
    apt_sources.debian(apt_sources.one_line(text(data)))
    apt_sources.debian(apt_sources.deb822(text(data)))


@target
def packages_(data: bytes) -> None:
    packages.distribution(text(data))
    with contextlib.suppress(ValueError):
        packages.needs(text(data))


@target
def units_(data: bytes) -> None:
    for parse in (parse_size, parse_duration):
        with contextlib.suppress(ValueError):
            assert parse(text(data)) >= 0


@target
def struct_layout_(data: bytes) -> None:
    with in_file(data) as path, contextlib.suppress(ValueError):
        struct_layout.structure(path, "page")


@target
def record_(data: bytes) -> None:
    with in_file(data) as path, contextlib.suppress(RecordError):
        store.load(path)


@target
def yaml_(data: bytes) -> None:
    with in_file(data) as path, contextlib.suppress(InputError):
        found = YamlFile.read(path)
        for kind in KINDS:
            with contextlib.suppress(InputError):
                found.load(kind)
