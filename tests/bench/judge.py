# SPDX-License-Identifier: GPL-2.0-only
"""How far a replay's verdicts are to be trusted: false alarms, and what is found. By hand:

    .venv/bin/python -m tests.bench.judge fit FILE              how slow is slow here?
    .venv/bin/python -m tests.bench.judge sample FILE [ROUNDS]  measure, and add to FILE
    .venv/bin/python -m tests.bench.judge judge FILE            print what comes of it
    .venv/bin/python -m tests.bench.judge simulate [TRIES]      intervals on made-up noise

`fit` finds, for each kind, how many turns the loop of tests/data/slower/delay.mbox takes to cost
SLOWER. `sample` times base, base again and, for each kind, base with that delay, by turns as
`harness replay` does by default. Both want a quiet machine; FILE may grow over several calls.
`judge` draws rounds by lot (seeded; each try as many as `harness replay` has, none of them twice)
and asks the same code that judges runs: in how many of TRIES does base differ from itself, and in
how many of FINDS is the slower one found to be slower, and base itself, had it taken SLOWER longer.
What the loop costs depends on the memory it can hide behind; `truly` says it. Tries that share
rounds are not independent: more rounds in FILE make a surer figure, and TRIES times as many as a
try has make them deal out each round once.
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
from harness.judge.ratios import Effect, effects
from harness.judge.replay_ratios import dealt
from harness.judge.stats.ratio import ratio, unpaired
from harness.judge.tabulate import tabulate
from harness.project.project import Project
from harness.record.record import Pass, RunRecord
from harness.replay import replay as run
from harness.replay.timing import rounds
from harness.replay.timing.schedule import KINDS
from harness.series.source import Mbox
from tests.unit.replays import replay as blank

SLOWER = 0.03
TRIES, FINDS = 200, 100
#: Fewer rounds than these are not drawn from.
POOL = 100
FITS, FIT_ROUNDS = 3, 60
#: Turns that the fit begins with.
GUESS = 30_000
DELAY = Path(__file__).parent.parent / "data" / "slower" / "delay.mbox"


class Samples(msgspec.Struct):
    """All passes so far, and the turns of the delay loop that each kind's were made with."""

    turns: dict[str, int]
    passes: list[Pass]

    @property
    def rounds(self) -> int:
        return max((p.round for p in self.passes), default=0)


def prepared(turns: dict[str, int]) -> run.Prepared:
    """Base, base again, and a slower build for each kind."""
    made = {kind: slower(count) for kind, count in turns.items()}
    first = next(iter(made.values()))
    base = first.builds[0]
    again = msgspec.structs.replace(base, name=run.AGAIN)
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
            "memcpy-streaming", "v7.2", schedule_of("4G", 1), source=Mbox(mbox)
        )
        return run.prepare(Project.find(), Cache.default(), wanted)


def build(kind: str) -> str:
    """The build that is to be slower at a kind."""
    return f"slower at {kind}"


def measured(made: run.Prepared, count: int, seed: int) -> tuple[Pass, ...]:
    schedule = msgspec.structs.replace(schedule_of("100G", count), seed=seed)
    drive = run.driver(Cache.default())
    return rounds.measure(drive, made.programs, schedule, lambda _: None).passes


def fitted() -> dict[str, int]:
    """The turns that cost SLOWER, by what some cost that come nearer and nearer."""
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
    """What the harness says of these passes: the effect of each kind."""
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
    prepared(samples.turns)  # so that sampling need not compile
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
        sys.exit(f"{file} holds {samples.rounds} rounds, {POOL} are needed")
    null = list(zip(*tries(samples, ("base", run.AGAIN), TRIES), strict=True))
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
    exactly = list(zip(*tries(longer, ("base", run.AGAIN), FINDS), strict=True))
    result = {
        "rounds": samples.rounds,
        "rounds_a_try": ROUNDS,
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
    """A pass of base's other self as if it had taken SLOWER longer."""
    cost = round(p.cpu_ns * (1 + SLOWER))
    return msgspec.structs.replace(p, cpu_ns=cost) if p.build == run.AGAIN else p


def is_slower(effect: Effect) -> bool:
    return effect.low is not None and effect.low > 1


def width(effect: Effect) -> float:
    assert effect.low is not None and effect.high is not None
    return effect.high - effect.low


def true_ratio(passes: list[Pass], kind: str) -> float:
    """What a kind's delay costs over all rounds together."""
    (found,) = [e for e in judged(passes, ("base", build(kind))) if e.kind == kind]
    return found.ratio


Noise = Callable[[np.random.Generator, int], np.ndarray]


def normal(share: float) -> Noise:
    return lambda lot, n: np.exp(lot.normal(0, share, n))


def bursts(lot: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(abs(lot.normal(0, 0.03, n))) * np.where(lot.random(n) < 0.15, 1.6, 1)


def heavy(lot: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(0.02 * lot.standard_t(3, n))


def drifting(lot: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(np.linspace(0, 0.1, n) + lot.normal(0, 0.01, n))


def two_modes(lot: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(lot.normal(0, 0.02, n)) * np.where(lot.random(n) < 0.5, 1.1, 1)


#: How base and build are made up, as stats.py's docstring lists them.
MADE_UP: dict[str, tuple[Noise, Noise]] = {
    "normal": (normal(0.02), normal(0.02)),
    "bursts": (bursts, bursts),
    "heavy": (heavy, heavy),
    "drifting": (drifting, drifting),
    "two modes": (two_modes, two_modes),
    "unequal": (normal(0.01), normal(0.04)),
}


def bootstrap(middle: Callable[..., np.ndarray]) -> Callable[..., tuple[float, float]]:
    def interval(
        lot: np.random.Generator, base: np.ndarray, build: np.ndarray
    ) -> tuple[float, ...]:
        drawn = [middle(lot.choice(x, (2000, len(x))), axis=1) for x in (base, build)]
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
    lot = np.random.default_rng(7)
    for n in (3, 5, 10):
        held: dict[str, dict[str, int]] = {name: {} for name in METHODS}
        for noise, (first, second) in MADE_UP.items():
            for _ in range(count):
                base, build = first(lot, n), second(lot, n)
                for name, method in METHODS.items():
                    low, high = method(lot, base, build)
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
