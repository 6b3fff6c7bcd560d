# SPDX-License-Identifier: GPL-2.0-only
"""Which CPUs are chosen, on fakes of /sys."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.guest.qemu import pinning
from harness.guest.qemu.pinning import NOT_PINNED, Pinning, choose, cpu_list


def machine(
    root: Path, monkeypatch: pytest.MonkeyPatch, cores: Sequence[str], nodes: Sequence[int]
) -> Path:
    """Make a machine of these cores (lists of hyper-threads), each on the node of its index."""
    allowed = set()
    for core, node in zip(cores, nodes, strict=True):
        for cpu in cpu_list(core):
            folder = root / f"sys/devices/system/cpu/cpu{cpu}"
            (folder / "topology").mkdir(parents=True)
            (folder / "topology/thread_siblings_list").write_text(f"{core}\n")
            (folder / f"node{node}").mkdir()
            allowed.add(cpu)
        (root / f"sys/devices/system/node/node{node}").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(pinning.os, "sched_getaffinity", lambda _pid: set(allowed))
    return root


def test_the_last_core_is_chosen_and_its_sibling_left_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, monkeypatch, ["0,4", "1,5", "2,6", "3,7"], [0, 0, 0, 0])
    assert choose("auto", 1, "kvm", root) == Pinning(
        cpus=(3,), siblings=frozenset({7}), others=frozenset({0, 1, 2, 4, 5, 6})
    )
    assert choose("auto", 2, "kvm", root).cpus == (2, 3)
    assert choose("5", 1, "kvm", root).siblings == {1}


def test_memory_is_taken_from_the_cores_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, monkeypatch, ["0", "1", "2", "3"], [0, 0, 1, 1])
    assert choose("auto", 1, "kvm", root).node == 0
    assert choose("3", 1, "kvm", root).node == 1
    assert choose("1", 2, "kvm", root) == Pinning((1, 2), frozenset(), frozenset({0, 3}), None)


@pytest.mark.parametrize(
    ("wanted", "vcpus", "accelerator"),
    [("none", 1, "kvm"), ("auto", 1, "tcg"), ("auto", 2, "kvm"), ("1", 3, "kvm")],
)
def test_nothing_is_pinned_without_a_core_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, vcpus: int, accelerator: str
) -> None:
    root = machine(tmp_path, monkeypatch, ["0", "1"], [0, 0])
    assert choose(wanted, vcpus, accelerator, root) == NOT_PINNED


def test_a_single_core_with_two_threads_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, monkeypatch, ["0-1"], [0])
    assert choose("auto", 1, "kvm", root) == NOT_PINNED
    assert choose("1", 1, "kvm", root).others == {0}, "if it is asked for, there is no other"


@pytest.mark.parametrize("wanted", ["7", "-1", "fast", "", "1,2"])
def test_a_cpu_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    root = machine(tmp_path, monkeypatch, ["0", "1"], [0, 0])
    with pytest.raises(InputError, match=r"no CPU .*expected auto, none, or one of 0, 1"):
        choose(wanted, 1, "kvm", root)


def test_a_machine_without_topology_has_cores_of_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinning.os, "sched_getaffinity", lambda _pid: {0, 1})
    assert choose("auto", 1, "kvm", tmp_path).cpus == (1,)


@given(st.sets(st.integers(0, 300), max_size=9))
def test_lists_of_cpus(cpus: set[int]) -> None:
    assert cpu_list(",".join(map(str, sorted(cpus)))) == cpus


@pytest.mark.parametrize(
    ("text", "cpus"), [("0-2,7", {0, 1, 2, 7}), ("", set()), ("x,1-,3", {1, 3}), ("2-1", set())]
)
def test_odd_lists_of_cpus(text: str, cpus: set[int]) -> None:
    assert cpu_list(text) == cpus
