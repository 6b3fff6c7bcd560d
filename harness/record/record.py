# SPDX-License-Identifier: GPL-2.0-only
"""The run record: the bridge between measuring and judging. Raw samples only, no statistics."""

from typing import Annotated, Literal

import msgspec

from harness.record.applied import Applied

# 1: first schema.
# 2: what the host did meanwhile (Boot.host, RunRecord.rounds), instruction counts
#    (RunRecord.counts), and what tells each build from base (Build.options_sha256, files, symbols,
#    config_diff). All have defaults that mean "not known", so records of schema 1 load.
# 3: the ladder, a build a prefix: what the compiler warned of (Build.new_warnings), and prefixes
# that    do not build (RunRecord.unbuilt). Their defaults mean "not known", so older records load.
# 4: a replay's builds take turns (Pass.turn, Pass.settles) on smaller namespaces than the one that
#    it reports; older records have no turns, and each of their processes ran by itself.
# 5: base, tip and each prefix are builds; older records call them sides. A replay has no boots,
#    plan or guest, and a run of boots no passes; older records have all of them, empty.
SCHEMA = 5

#: What is counted is never less than nothing; a record that says so was tampered with.
NotNegative = Annotated[int, msgspec.Meta(ge=0)]

Outcome = Literal["lost", "complete", "timed_out", "panicked", "failed"]
BootEvidence = Literal["boot-kvm", "boot-tcg", "boot-icount"]
Evidence = BootEvidence | Literal["replay"]


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One binding. `ns` is what the kernel printed, `resolution_ns` the step of its clock.

    `index` counts a driver's bindings within the boot: 0 is the first one.
    """

    driver: str
    op: Literal["first", "rebind"]
    index: NotNegative
    ns: NotNegative
    resolution_ns: NotNegative
    nr_pages: NotNegative
    source: str


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something the guest's console shows that no healthy boot shows, with the lines kept."""

    kind: str
    line: int
    splat: str


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition that must hold before a sample counts."""

    name: str
    ok: bool
    detail: str


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log beside the record: path relative to the run's folder, and its SHA-256."""

    path: str
    sha256: str


class Memmap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A namespace's struct pages after a boot: their number, and the SHA-256 of what they say.

    Pointers count by what they point to (harness.memmap.struct_pages). `problem` says why there is
    no digest.
    """

    driver: str
    nr_pages: int
    sha256: str
    problem: str = ""


class HostUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the host did during a boot or a replay's round, in seconds of CPU time of all CPUs.

    `busy_s` is what they worked, for us and others, `own_s` what the harness and the programs it
    started took of that; `steal_s` is what a hypervisor gave to other guests while we wanted it
    (proc_stat(5)). Loads are averages of one minute. `throttles` counts how often a core or package
    was slowed down for its heat (/sys/devices/system/cpu/cpu*/thermal_throttle), None where the
    machine does not say.
    """

    wall_s: float
    cpus: int
    busy_s: float
    own_s: float
    steal_s: float
    load_before: float
    load_after: float
    throttles: int | None = None


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One boot of one build. Born `lost`; only the guest's end marker makes it `complete`."""

    build: str
    number: int
    outcome: Outcome = "lost"
    reason: str = "the boot has not ended"
    wall_s: float = 0.0
    argv: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()
    samples: tuple[Sample, ...] = ()
    logs: tuple[Log, ...] = ()
    memmaps: tuple[Memmap, ...] = ()
    load_1min: float = 0.0
    host: HostUse | None = None

    @property
    def counts(self) -> bool:
        """Whether its samples may be used: it ended well, every check holds, nothing was found."""
        return self.outcome == "complete" and not self.findings and all(c.ok for c in self.checks)


#: The build whose passes fill the memory by other means: what no build can be faster than.
LIMIT = "limit"
#: Instructions by which it fills that bypass the cache (replay/shim/fill.c).
NON_TEMPORAL = ("movnti", "movntdq", "vmovntdq-512")


#: The page order that is a replay's proxy for a driver's rebinds: nd_pmem initializes struct pages
#: one by one; dax_pmem, which is aligned to 2M, as compound pages of order 9.
PROXY_KIND = {"nd_pmem": "order0", "dax_pmem": "order9"}


class Pass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call of the function on trial, outside any kernel (evidence `replay`).

    `process` numbers the run's processes in their order, `round` those that belong together, one a
    build; `index` counts the process's calls: number 0 pays for the memory's page faults, as a
    first binding does. `kind` is order0 or order9, or on the build `limit`, which fills the same
    memory by other means, the instruction that did. `cpu_ns` leaves out what others had the CPU
    for. `digest` is of the memmap left, where it was taken.

    In a round all builds' processes live at once and run by turns: `turn` counts a process's own.
    A pass that `settles` pays for what the build before it left in the cache, or for page faults; a
    newer run has them in first turns only, and an untimed half of a call before later ones. `turn`
    is None for a process that ran by itself, on the whole namespace; where a run has both, they are
    its round 0.
    """

    build: str
    process: int
    round: int
    index: int
    kind: str
    ns: int
    cpu_ns: int
    nr_pages: int
    nr_bytes: int
    huge_bytes: int = 0
    digest: str = ""
    turn: int | None = None
    settles: bool = False


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one build did beside base on the same calls (evidence `replay`).

    `seed` is what the cases were drawn by; `detail` tells of the first that came out unequal.
    """

    build: str
    cases: int
    seed: int
    equal: bool
    detail: str


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instructions a struct page that one build takes (evidence `replay`); `by` says who
    counted."""

    build: str
    kind: str
    by: str
    per_page: float


class Symbol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A symbol whose size differs from base's, in bytes; None where it is not there.

    Symbols that share a name, but for a number that the compiler gave them, are taken together.
    """

    name: str
    base_bytes: int | None
    build_bytes: int | None


#: Names of builds that are not a prefix's number or a variant's name.
BASE, AGAIN, TIP = "base", "again", "tip"


class Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel that was measured: `prefix` patches of the series on the base (0 is base).

    `options_sha256` is of the .config's options without its comments, sorted. `files` differ
    between base's commit and this one's; `symbols` have another size in its kernel (a replay: its
    object) than in base's; `config_diff` has the options that differ, `-` as base has them and `+`
    as this build does. None or empty where nobody looked.

    `new_warnings` are what the compiler warned of that it did not for the run's build with the next
    fewer patches, None where nobody knows.
    """

    name: str
    prefix: int
    commit: str
    release: str
    build_id: str
    config_sha256: str
    compiler: str
    options_sha256: str = ""
    files: tuple[str, ...] | None = None
    symbols: tuple[Symbol, ...] | None = None
    config_diff: tuple[str, ...] | None = None
    new_warnings: tuple[str, ...] | None = None

    @property
    def kind(self) -> Literal["base", "again", "prefix", "variant"]:
        """What it is: base, base once more, the first patches of the series, or a variant of it.

        A variant has another last patch than the series, of the project's own.
        """
        if self.name == BASE:
            return "base"
        if self.name == AGAIN:
            return "again"
        return "prefix" if self.name == TIP or self.is_numbered else "variant"

    @property
    def is_numbered(self) -> bool:
        """Whether it is a prefix that its number names, as in a per-patch run or a replay."""
        return self.prefix > 0 and self.name == str(self.prefix)


class Unbuilt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prefix that was to be a build but does not build, and why: a line, then the compiler's."""

    prefix: int
    reason: str


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host: what two records must share before they may be compared."""

    cpu: str
    cpus: int
    memory_bytes: int
    kernel: str
    accelerator: Literal["kvm", "tcg", "native"]
    accelerator_proof: str
    tools: dict[str, str]


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured: which patches on which tree, with git's patch-ids in order.

    `version` is the posted version whose claims these patches answer to. `patch_sha256` are the
    patches as they were given (applied.Patch), `patch_subjects` what they call themselves,
    `message_id` the mail that introduced them; all are empty in records that were made before there
    was such a field. `attestation` is what b4 said of each patch's signatures, empty where nobody
    checked them.
    """

    slug: str
    version: int
    source: str
    tree: str
    release: str
    base: str
    patch_ids: tuple[str, ...]
    patch_sha256: tuple[str, ...] = ()
    message_id: str = ""
    patch_subjects: tuple[str, ...] = ()
    attestation: tuple[str, ...] = ()

    @classmethod
    def of(cls, applied: Applied, version: int) -> "Subject":
        """Return the subject of a run that measures an applied series."""
        return cls(
            slug=applied.slug,
            version=version,
            source=applied.source,
            tree=applied.tree,
            release=applied.release,
            base=applied.base,
            patch_ids=tuple(patch.patch_id for patch in applied.patches),
            patch_sha256=tuple(patch.sha256 for patch in applied.patches),
            message_id=applied.message_id,
            patch_subjects=tuple(patch.subject for patch in applied.patches),
            attestation=applied.attestation,
        )


class BootSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run of boots measured: plan and guest by name, with a digest of everything they say.

    `boots` are planned per build, `rebinds` per driver and boot.
    """

    plan: str
    plan_sha256: str
    guest: str
    guest_sha256: str
    rebinds: int
    nr_pages: dict[str, int]
    boots: int


class ReplaySetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a replay measured: a digest of its schedule, and the schedule's numbers.

    `passes` of each kind count per round and process; `nr_pages` are the whole namespace's. A
    replay that only counts instructions has no rounds.
    """

    schedule_sha256: str
    rounds: int
    passes: int
    nr_pages: dict[str, int]


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="run"):
    """What a run of boots and a replay both record. Times are UTC, ISO 8601, to the second."""

    run_id: str
    subject: Subject
    machine: Machine
    builds: tuple[Build, ...]
    started: str
    outcome: Outcome = "lost"
    reason: str = "the run has not ended"
    finished: str | None = None
    schema: int = SCHEMA

    @property
    def is_null(self) -> bool:
        """Whether it measured base against itself: all builds are one and the same program."""
        built = {(build.commit, build.build_id, build.config_sha256) for build in self.builds}
        return len(self.builds) > 1 and len(built) == 1

    def build(self, name: str) -> Build | None:
        """Return the build of that name; None where there is none."""
        return next((build for build in self.builds if build.name == name), None)


class BootRun(Run, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="boot"):
    """A run that booted its builds in guests."""

    evidence: BootEvidence
    setup: BootSetup
    boots: tuple[Boot, ...] = ()
    unbuilt: tuple[Unbuilt, ...] = ()

    @property
    def is_per_patch(self) -> bool:
        """Whether guests booted base and prefixes by their numbers, or were to."""
        return any(build.is_numbered for build in self.builds) or bool(self.unbuilt)


class ReplayRun(Run, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="replay"):
    """A run that called the function on trial outside any kernel.

    `rounds` is the host's use during each round. A run that has only `counts` timed nothing.
    """

    setup: ReplaySetup
    passes: tuple[Pass, ...] = ()
    rounds: tuple[HostUse, ...] = ()
    counts: tuple[Count, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def evidence(self) -> Literal["replay"]:
        """The kind of evidence, as reports name it."""
        return "replay"


RunRecord = BootRun | ReplayRun
