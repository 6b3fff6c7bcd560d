# SPDX-License-Identifier: GPL-2.0-only
"""Measure the error rates of replay verdicts: false alarms and missed slowdowns. By hand:

    .venv/bin/python -m tests.bench.judge fit FILE              calibrate the delay loop
    .venv/bin/python -m tests.bench.judge sample FILE [ROUNDS]  measure rounds and add them to FILE
    .venv/bin/python -m tests.bench.judge judge FILE            print the error rates
    .venv/bin/python -m tests.bench.judge simulate [TRIES]      coverage on synthetic noise

`fit` finds, per page order, how many iterations of the loop in tests/data/slower/delay.mbox cost
SLOWER. `sample` times base, base again and, per order, base with that delay, interleaved as in
`harness replay`. Both need a quiet machine; FILE may grow over several calls.

`judge` chooses rounds at random (seeded; as many per try as `harness replay` has, each once per
try) and gives them to the code that judges runs. It counts in how many of TRIES base differs from
itself, and in how many of FINDS the delayed build, and base with SLOWER added to each sample, are
found to be slower. The true cost of the loop depends on the memory that hides it and is printed as
`truly`. Tries that share rounds are not independent; with TRIES times the rounds of a try none do.
"""

import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from harness.cli.replay_options import ROUNDS, SEED, schedule_of
from harness.host.cache import Cache
from harness.judge.ratios.ratios import Effect, effects
from harness.judge.ratios.replay_ratios import dealt
from harness.judge.stats.ratio import ratio, unpaired
from harness.judge.tabulate import tabulate
from harness.project.project import Project
from harness.record.record import AGAIN, Pass, RunRecord
from harness.replay import prepare as run
from harness.replay.timing import rounds
from harness.series.source import Mails
from harness.workloads.zone_device.replay import REPLAY
from tests.unit.replays import replay as blank

SLOWER = 0.03
TRIES, FINDS = 200, 100
#: Fewest rounds to choose from.
POOL = 100
FITS, FIT_ROUNDS = 3, 60
#: Iterations that the fit starts with.
GUESS = 30_000
KINDS = REPLAY.kinds
DELAY = Path(__file__).parent.parent / "data" / "slower" / "delay.mbox"


class Samples(msgspec.Struct):
    """All passes so far, and the iterations of the delay loop per kind."""

    turns: dict[str, int]
    passes: list[Pass]

    @property
    def rounds(self) -> int:
        return max((p.round for p in self.passes), default=0)


def prepared(turns: dict[str, int]) -> run.Prepared:
    """Prepare base, base again, and a slower build per kind."""
    made = {kind: slower(count) for kind, count in turns.items()}
    first = next(iter(made.values()))
    base = first.builds[0]
    again = msgspec.structs.replace(base, name=AGAIN)
    others = [
        msgspec.structs.replace(one.builds[1], name=build(kind)) for kind, one in made.items()
    ]
    return msgspec.structs.replace(first, builds=(base, again, *others))


def slower(turns: int) -> run.Prepared:
    text = re.sub(r"turn < \d+", f"turn < {turns}", DELAY.read_text())
    with tempfile.TemporaryDirectory() as folder:
        mbox = Path(folder) / f"delay-{turns}.mbox"
        mbox.write_text(text)
        wanted = run.ReplayRequest(
            "memcpy-streaming", "v7.2", schedule_of("4G", 1), source=Mails(mbox)
        )
        return run.prepare(Project.find(), Cache.default(), wanted)


def build(kind: str) -> str:
    """Return the name of the build that is slower at a kind."""
    return f"slower at {kind}"


def measured(made: run.Prepared, count: int, seed: int) -> tuple[Pass, ...]:
    schedule = msgspec.structs.replace(schedule_of("100G", count), seed=seed)
    drive = run.make_runner(Cache.default(), made.series)
    return rounds.measure(drive, made.programs, schedule, lambda _: None).passes


def fitted() -> dict[str, int]:
    """Return the iterations that cost SLOWER, by repeated approximation."""
    turns = dict.fromkeys(KINDS, GUESS)
    made, cost = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0.0)
    for seed in range(FITS):
        passes = list(measured(prepared(turns), FIT_ROUNDS, seed))
        for kind in KINDS:
            made[kind] += turns[kind]
            cost[kind] += true_ratio(passes, kind) - 1
        turns = {kind: max(1, round(SLOWER * made[kind] / cost[kind])) for kind in KINDS}
    return turns


def judged(passes: list[Pass], builds: tuple[str, str]) -> list[Effect]:
    """Return the effect of each kind, as the harness judges these passes."""
    record: RunRecord = msgspec.structs.replace(
        blank({name: [1.0] for name in builds}),
        passes=tuple(p for p in passes if p.build in builds),
    )
    return [e for e in effects(tabulate(record)) if e.op == "rebind"]


def tries(samples: Samples, builds: tuple[str, str], count: int) -> Iterator[list[Effect]]:
    by_round: dict[int, list[Pass]] = {}
    for p in samples.passes:
        by_round.setdefault(p.round, []).append(p)
    for drawn in dealt(sorted(by_round), count, ROUNDS, SEED):
        yield judged([p for number in drawn for p in by_round[number]], builds)


def fit(file: Path) -> None:
    samples = Samples(fitted(), [])
    prepared(samples.turns)  # compiles, so that sampling does not
    file.write_bytes(msgspec.json.encode(samples))
    print(json.dumps({"turns": samples.turns}))


def sample(file: Path, count: int) -> None:
    samples = msgspec.json.decode(file.read_bytes(), type=Samples)
    before = samples.rounds
    for p in measured(prepared(samples.turns), count, before + 1):
        samples.passes.append(msgspec.structs.replace(p, round=p.round + before))
    file.write_bytes(msgspec.json.encode(samples))
    print(json.dumps({"rounds": samples.rounds, "turns": samples.turns}))


def judge(file: Path) -> None:
    samples = msgspec.json.decode(file.read_bytes(), type=Samples)
    if samples.rounds < POOL:
        sys.exit(f"{file} has {samples.rounds} rounds; expected {POOL} or more")
    null = list(zip(*tries(samples, ("base", AGAIN), TRIES), strict=True))
    found = {
        kind: [
            effect
            for effects in tries(samples, ("base", build(kind)), FINDS)
            for effect in effects
            if effect.kind == kind
        ]
        for kind in KINDS
    }
    longer = Samples(samples.turns, [lengthened(p) for p in samples.passes])
    exactly = list(zip(*tries(longer, ("base", AGAIN), FINDS), strict=True))
    result = {
        "rounds": samples.rounds,
        "rounds_per_try": ROUNDS,
        "false_alarms": {
            effects[0].kind: {
                "tries": TRIES,
                "differ": sum(e.differs for e in effects),
                "width": round(statistics.median(width(e) for e in effects), 4),
            }
            for effects in null
        },
        "found_lengthened": {
            effects[0].kind: {"tries": FINDS, "slower": sum(map(is_slower, effects))}
            for effects in exactly
        },
        "found": {
            kind: {
                "tries": FINDS,
                "slower": sum(map(is_slower, effects)),
                "turns": samples.turns[kind],
                "truly": round(true_ratio(samples.passes, kind), 4),
            }
            for kind, effects in found.items()
        },
    }
    print(json.dumps(result))


def lengthened(p: Pass) -> Pass:
    """Return a pass, with SLOWER added to its cost if it is of base's copy."""
    cost = round(p.cpu_ns * (1 + SLOWER))
    return msgspec.structs.replace(p, cpu_ns=cost) if p.build == AGAIN else p


def is_slower(effect: Effect) -> bool:
    return effect.low is not None and effect.low > 1


def width(effect: Effect) -> float:
    assert effect.low is not None and effect.high is not None
    return effect.high - effect.low


def true_ratio(passes: list[Pass], kind: str) -> float:
    """Return the cost ratio of a kind's delay over all rounds."""
    (found,) = [e for e in judged(passes, ("base", build(kind))) if e.kind == kind]
    return found.ratio


Noise = Callable[[np.random.Generator, int], np.ndarray]


def normal(share: float) -> Noise:
    return lambda rng, n: np.exp(rng.normal(0, share, n))


def bursts(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(abs(rng.normal(0, 0.03, n))) * np.where(rng.random(n) < 0.15, 1.6, 1)


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(0.02 * rng.standard_t(3, n))


def drifting(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(np.linspace(0, 0.1, n) + rng.normal(0, 0.01, n))


def two_modes(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(rng.normal(0, 0.02, n)) * np.where(rng.random(n) < 0.5, 1.1, 1)


#: Noise of base and build, as in the docstring of judge/stats/ratio.py.
SYNTHETIC: dict[str, tuple[Noise, Noise]] = {
    "normal": (normal(0.02), normal(0.02)),
    "bursts": (bursts, bursts),
    "heavy": (heavy, heavy),
    "drifting": (drifting, drifting),
    "two modes": (two_modes, two_modes),
    "unequal": (normal(0.01), normal(0.04)),
}


def bootstrap(middle: Callable[..., np.ndarray]) -> Callable[..., tuple[float, float]]:
    def interval(
        rng: np.random.Generator, base: np.ndarray, build: np.ndarray
    ) -> tuple[float, ...]:
        drawn = [middle(rng.choice(x, (2000, len(x))), axis=1) for x in (base, build)]
        return tuple(np.percentile(drawn[1] / drawn[0], [2.5, 97.5]))

    return interval


def ours(of: Callable[..., object]) -> Callable[..., tuple[float, float]]:
    def interval(_lot: object, base: np.ndarray, build: np.ndarray) -> tuple[float, float]:
        found = of(base.tolist(), build.tolist())
        return found.low, found.high

    return interval


METHODS = {
    "bootstrap of means": bootstrap(np.mean),
    "bootstrap of medians": bootstrap(np.median),
    "pairs": ours(ratio),
    "no pairs": ours(unpaired),
}


def simulate(count: int) -> None:
    rng = np.random.default_rng(7)
    for n in (3, 5, 10):
        held: dict[str, dict[str, int]] = {name: {} for name in METHODS}
        for noise, (first, second) in SYNTHETIC.items():
            for _ in range(count):
                base, build = first(rng, n), second(rng, n)
                for name, method in METHODS.items():
                    low, high = method(rng, base, build)
                    held[name][noise] = held[name].get(noise, 0) + (low <= 1 <= high)
        shares = {
            name: {noise: round(100 * times / count, 1) for noise, times in found.items()}
            for name, found in held.items()
        }
        print(json.dumps({"n": n, "held_percent": shares}), flush=True)


def main() -> None:
    match sys.argv[1:]:
        case ["fit", file]:
            fit(Path(file))
        case ["sample", file, *more] if len(more) <= 1:
            sample(Path(file), int(more[0]) if more else POOL)
        case ["judge", file]:
            judge(Path(file))
        case ["simulate", *more] if len(more) <= 1:
            simulate(int(more[0]) if more else 1500)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
