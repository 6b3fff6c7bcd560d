# SPDX-License-Identifier: GPL-2.0-only
"""The run record: the bridge between measuring and judging. Raw samples only, no statistics."""

from typing import Annotated, Literal

import msgspec

from harness.record.applied import Applied
from harness.record.metric import Metric

# 1: first schema.
# 2: host use (Boot.host, RunRecord.rounds), instruction counts (RunRecord.counts), and what
#    distinguishes each build from base (Build.options_sha256, files, symbols, config_diff). The
#    defaults of all mean "not known", so records of schema 1 load.
# 3: per-patch runs: new compiler warnings (Build.new_warnings), and prefixes that do not build
#    (RunRecord.unbuilt). Their defaults mean "not known".
# 4: a replay's builds alternate in slices (Pass.turn, Pass.settles) on namespaces smaller than the
#    one that it reports on. Older records have no slices: each process ran by itself.
# 5: base, tip and each prefix are builds, Pass.turn is Pass.slice; older records call builds sides.
#    A replay has no boots, plan or guest, and a run of boots no passes; older records have all of
#    them, empty.
# 6: the guest's CPU model (Machine.guest_cpu), and what of the host matters for times
#    (Machine.hypervisor, Boot.settings, Boot.placement). Their defaults mean "not known".
#    A replay's memory traffic (ReplayRun.traffic), its canary, its links (ReplaySetup.placements)
#    and compilers, empty where they are not known.
# 7: boots that time bindings by a second clock (BootRun.fine_clock), None where there were none.
#    Runs of boots that are known from logs of another machine (evidence `reported`), with what such
#    a log does not say (Boot.unvouched).
#    Boots on a physical machine (evidence metal).
# 8: samples and struct pages are of a metric of the workload (Subject.workload); older records call
#    it driver, and are all of the workload zone_device.
SCHEMA = 8

#: The workload of records that do not name one.
ZONE_DEVICE = "zone_device"

#: A negative count shows that a record was tampered with.
NotNegative = Annotated[int, msgspec.Meta(ge=0)]

Outcome = Literal["lost", "complete", "timed_out", "panicked", "failed"]
BootEvidence = Literal["boot-kvm", "boot-tcg", "boot-icount", "metal", "reported"]
Evidence = BootEvidence | Literal["replay"]


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One binding. `ns` is the time by the clock `source`, `resolution_ns` that clock's resolution.
    If the metric is not a time (BootSetup.metrics), they are the amount in its unit, and the step.

    `metric` names what the workload measured; `index` counts its samples within the boot: 0 is the
    first one.
    """

    metric: str
    op: Literal["first", "rebind"]
    index: NotNegative
    ns: NotNegative
    resolution_ns: NotNegative
    nr_pages: NotNegative
    source: str


#: Sample.source: the kernel's own line, which counts jiffies, and probes at begin and return of the
#: function, whose times are in microseconds.
PR_DEBUG, PROBES = "pr_debug", "kprobes"


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report on the guest's console that no healthy boot shows, with its lines."""

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
    """A namespace's struct pages after a boot: their number, and the SHA-256 of their content.

    In the digest, each pointer is replaced by what it points to (harness.memmap.struct_pages).
    `problem` says why a digest is missing.
    """

    metric: str
    nr_pages: int
    sha256: str
    problem: str = ""


class HostUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host's use during a boot or a replay's round, in seconds of CPU time over all CPUs.

    `busy_s` is the time of all programs, `own_s` that of the harness and the programs it started;
    `steal_s` is the time that the hypervisor gave to other guests (proc_stat(5)). Loads are
    one-minute averages. `throttles` counts thermal throttling of cores and packages
    (/sys/devices/system/cpu/cpu*/thermal_throttle), None where the machine does not report it.
    """

    wall_s: float
    cpus: int
    busy_s: float
    own_s: float
    steal_s: float
    load_before: float
    load_after: float
    throttles: int | None = None


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host's settings before a boot, None or empty where the host does not say.

    `governors` are those of all CPUs, each once; `idle_us` is the exit latency of the deepest idle
    state that is enabled; `mitigations` are those of vulnerabilities that affect the CPU;
    `other_guests` counts virtual machines beside ours.
    """

    governors: tuple[str, ...] = ()
    turbo: bool | None = None
    idle_us: int | None = None
    smt: bool | None = None
    mitigations: tuple[str, ...] = ()
    microcode: str = ""
    swap_bytes: int | None = None
    other_guests: int | None = None


class Backing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What backs a part of the guest's memory on the host: bytes by page size, swap, and node.

    `huge_bytes` are backed by huge pages: hugetlbfs of `hugetlb_bytes` per page, or transparent
    ones if that is 0. `nodes` has the bytes on each NUMA node, empty if unknown.
    """

    small_bytes: int
    huge_bytes: int
    hugetlb_bytes: int = 0
    swap_bytes: int = 0
    nodes: dict[str, int] = {}


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a guest ran: CPUs of its vCPU threads, and what backed its memory and namespaces.

    `pinned` are CPUs that vCPUs were bound to, empty if none were; `node` is their NUMA node, None
    if they have several. `sibling_share` is the time that hyper-threads beside them were busy, as a
    share of the boot; None if they have no siblings or were not pinned.
    """

    pinned: tuple[int, ...] = ()
    node: int | None = None
    sibling_share: float | None = None
    ram: Backing | None = None
    namespaces: Backing | None = None


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One boot of one build. It is `lost` until the guest's end marker makes it `complete`.

    `unvouched` is what a log of another machine does not say, if the boot is known from such a log.
    """

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
    settings: HostSettings | None = None
    placement: Placement | None = None
    unvouched: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether its samples may be used: complete, all checks hold, console clean."""
        return self.outcome == "complete" and not self.findings and all(c.ok for c in self.checks)


#: The build whose passes fill the memory by other means: what no build can be faster than.
LIMIT = "limit"
#: Instructions by which it fills that bypass the cache (replay/shim/fill.c).
NON_TEMPORAL = ("movnti", "movntdq", "vmovntdq-512")


class Pass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call of the function on trial, outside any kernel.

    `process` numbers the run's processes in order; `round` is equal for processes that belong
    together, one per build. `index` counts the process's calls: number 0 faults the memory in, as a
    first binding does. `kind` is one of the workload's, or for the build `limit`, which fills the
    same memory by other means, the instruction that it uses. `cpu_ns` excludes the time of other
    programs. `digest` is of the struct pages left, if it was taken.

    In a round, the processes of all builds alternate in slices: `slice` counts those of one
    process. It is None for a process that ran by itself, on the whole namespace; in a run with
    both, those are round 0. A pass that `settles` is disturbed by the build before it (cache) or by
    page faults: newer runs have one in the first slice, and an untimed half call before the others.
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
    slice: int | None = None
    settles: bool = False


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of comparing one build with base on the same calls.

    `seed` is the seed of the random cases; `detail` describes the first that is not equal.
    """

    build: str
    cases: int
    seed: int
    equal: bool
    detail: str


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instructions per struct page of one build; `by` is the program that counted them."""

    build: str
    kind: str
    by: str
    per_page: float


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cache lines of 64 bytes per struct page; a line may be in several counts.

    `whole`: all bytes were stored by non-temporal stores before anything sent the line to memory.
    `partial`: it was sent with some bytes missing. `ordinary`: stored by ordinary stores, for which
    the CPU reads the line first. `twice`: stored again after non-temporal stores had been sent, or
    non-temporally after an ordinary store. `read_back`: loaded while non-temporal stores to it were
    not drained.
    """

    whole: float
    partial: float
    ordinary: float
    twice: float
    read_back: float


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cache lines that one build stores per struct page, counted in a single-stepped call."""

    build: str
    kind: str
    lines: Lines


class Symbol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A symbol whose size differs from base's, in bytes; None for a build that lacks it.

    Symbols whose names differ only in a number that the compiler appended are added up.
    """

    name: str
    base_bytes: int | None
    build_bytes: int | None


#: Names of builds that are not a prefix's number or a variant's name.
BASE, AGAIN, TIP, FOLLOW_UP = "base", "again", "tip", "follow-up"


class Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel that was measured: `prefix` patches of the series on the base (0 is base).

    `options_sha256` is of the .config's options, sorted, without comments. `files` differ between
    base's commit and this one; `symbols` have another size in its kernel (a replay: its object)
    than in base's; `config_diff` are the options that differ, `-` for base and `+` for this build.
    They are None or empty if they were not determined.

    `new_warnings` are compiler warnings that the run's build with the next fewer patches does not
    have, None if unknown. `own_patch_ids` are git's patch-ids of our own patches on top of the
    series, for a follow-up. `kernel_options`, `kconfig` (names of fragments) and `tree` are what
    the plan gives this build alone.
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
    own_patch_ids: tuple[str, ...] = ()
    kernel_options: tuple[str, ...] = ()
    kconfig: tuple[str, ...] = ()
    tree: str = ""

    @property
    def kind(self) -> Literal["base", "again", "prefix", "follow-up", "variant"]:
        """What it is: base, base once more, the first patches of the series, or ours on top of it.

        A follow-up and a replay's variant have patches of our own on top of the whole series. A
        variant that was booted is a build that the plan names. No claim of the series is about
        them.
        """
        if self.name == BASE:
            return "base"
        if self.name == AGAIN:
            return "again"
        if self.name == FOLLOW_UP:
            return "follow-up"
        return "prefix" if self.name == TIP or self.is_numbered else "variant"

    @property
    def is_numbered(self) -> bool:
        """Whether it is a prefix that its number names, as in a per-patch run or a replay."""
        return self.prefix > 0 and self.name == str(self.prefix)


def own_patch_ids(applied: Applied, name: str) -> tuple[str, ...]:
    """Return the patch-ids of our own patches in the build of this name."""
    return tuple(p.patch_id for p in applied.follow_up) if name == FOLLOW_UP else ()


class Unbuilt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prefix that does not build; `reason` is a line, followed by the compiler's output."""

    prefix: int
    reason: str


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host: what two records must share before they may be compared.

    `guest_cpu` is QEMU's CPU model of all guests, empty if unknown; `guest_cpu_lacks` are features
    of the model that the guest's file asks for, which the host's KVM does not have. `hypervisor`
    is what the host itself runs on (harness.host.hypervisor), `cpu_id` its CPU's vendor, family and
    model; both are empty if unknown.
    """

    cpu: str
    cpus: int
    memory_bytes: int
    kernel: str
    accelerator: Literal["kvm", "tcg", "native"]
    accelerator_proof: str
    tools: dict[str, str]
    guest_cpu: str = ""
    guest_cpu_lacks: tuple[str, ...] = ()
    hypervisor: str = ""
    cpu_id: str = ""


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured: which patches on which tree, with git's patch-ids in order,
    empty where they are not known (evidence `reported`).

    `version` is the posted version whose claims apply to these patches. `patch_sha256` are digests
    of the patches as given (applied.Patch), `patch_subjects` their subjects, `message_id` the mail
    that introduced them; all are empty in records older than these fields. `attestation` is b4's
    result for each patch's signatures, empty if they were not checked. `commits` differ between
    base and tip, and `other_commits` more, if two commits of a repository are compared. `workload`
    says what was timed (harness.workloads).
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
    commits: tuple[str, ...] = ()
    other_commits: int = 0
    workload: str = ZONE_DEVICE

    @classmethod
    def of(cls, applied: Applied, version: int, workload: str = ZONE_DEVICE) -> "Subject":
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
            commits=applied.commits,
            other_commits=applied.other_commits,
            workload=workload,
        )


class BootSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The setup of a run of boots: plan and guest by name, each with a digest of its content.

    `boots` are planned per build, `rebinds` per metric and boot. With `until`, boots were added
    until the interval of each ratio was at most that share of it wide; `looks` is how often that
    was asked, and intervals are corrected for it. `metrics` are those that are not times, or that
    are better when higher.
    """

    plan: str
    plan_sha256: str
    guest: str
    guest_sha256: str
    rebinds: int
    nr_pages: dict[str, int]
    boots: int
    until: float = 0.0
    looks: int = 0
    metrics: tuple[Metric, ...] = ()

    def metric(self, name: str) -> Metric:
        """Return unit and direction of a metric: a time, unless `metrics` say otherwise."""
        return next((one for one in self.metrics if one.name == name), Metric(name))


def fine_clock_file(name: str) -> str:
    """Return how the names of files of a kernel or boot with probes begin."""
    return f"fine-clock-{name}"


class FineClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Boots that time each binding by two clocks, PR_DEBUG and PROBES. They decide no claim.

    Their kernels have the probes that the kernels of `BootRun.builds` lack, and the same names:
    each is booted once, after all boots that decide.
    """

    builds: tuple[Build, ...]
    boots: tuple[Boot, ...] = ()


class ReplaySetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The setup of a replay: a digest of its schedule, and the schedule's numbers.

    `passes` is the number of passes of each kind that count, per round and process. `nr_pages` are
    the whole namespace's. A replay that only counts instructions has no rounds. `compiler` is its
    name, like clang-19; `placements` has for each build the link that ran in each round, since the
    same code takes another time at other addresses. They are empty in older records.
    """

    schedule_sha256: str
    rounds: int
    passes: int
    nr_pages: dict[str, int]
    compiler: str = ""
    placements: dict[str, tuple[int, ...]] = {}


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="run"):
    """The fields that a run of boots and a replay share. Times are UTC, ISO 8601, to the second."""

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
        """Whether it measured base against itself: all builds are the same program."""
        built = {
            (build.commit, build.build_id, build.config_sha256, build.kernel_options)
            for build in self.builds
        }
        return len(self.builds) > 1 and len(built) == 1 and any(any(one[:3]) for one in built)

    def build(self, name: str) -> Build | None:
        """Return the build of that name; None where there is none."""
        return next((build for build in self.builds if build.name == name), None)

    @property
    def kernels(self) -> dict[str, Build]:
        """Every build, by the name under which its files are stored beside the record."""
        return {build.name: build for build in self.builds}

    @property
    def tip(self) -> Build:
        """The last build but the follow-up, which is not part of the series."""
        return next(build for build in reversed(self.builds) if build.kind != "follow-up")


class BootRun(Run, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="boot"):
    """A run that booted its builds in guests."""

    evidence: BootEvidence
    setup: BootSetup
    boots: tuple[Boot, ...] = ()
    unbuilt: tuple[Unbuilt, ...] = ()
    fine_clock: FineClock | None = None

    @property
    def all_boots(self) -> tuple[Boot, ...]:
        """The boots that decide, and those that compare clocks."""
        return self.boots if self.fine_clock is None else (*self.boots, *self.fine_clock.boots)

    @property
    def kernels(self) -> dict[str, Build]:
        """As for every run, and the kernels with probes."""
        clocked = () if self.fine_clock is None else self.fine_clock.builds
        return super().kernels | {fine_clock_file(build.name): build for build in clocked}

    @property
    def is_per_patch(self) -> bool:
        """Whether base and numbered prefixes were booted, or planned to be."""
        return any(build.is_numbered for build in self.builds) or bool(self.unbuilt)

    @property
    def is_of_plan(self) -> bool:
        """Whether its builds are those that the plan names."""
        return any(build.kind == "variant" for build in self.builds)


class ReplayRun(Run, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="replay"):
    """A run that called the function on trial outside any kernel, on this CPU.

    `rounds` is the host's use during each round; `canary` has the ns of CPU time that a fixed
    number of cycles took before each slice of it. A run that has only `counts` and `traffic` timed
    nothing. `same_rounds` are the ids of replays with other compilers, whose builds were timed in
    slices between this one's. Beside a run of boots, a replay may have failed before it had
    programs: its outcome is `failed`, `reason` says why, and it has no builds.
    """

    setup: ReplaySetup
    passes: tuple[Pass, ...] = ()
    rounds: tuple[HostUse, ...] = ()
    counts: tuple[Count, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    canary: tuple[tuple[int, ...], ...] = ()
    same_rounds: tuple[str, ...] = ()

    @property
    def evidence(self) -> Literal["replay"]:
        """The kind of evidence, as reports name it."""
        return "replay"


RunRecord = BootRun | ReplayRun
