# SPDX-License-Identifier: GPL-2.0-only
"""Options that say how much a replay measures, and the schedule that they give."""

from typing import TYPE_CHECKING

import click

from harness.errors import InputError
from harness.host.units import MIB

if TYPE_CHECKING:
    from harness.replay.timing.schedule import Schedule

ROUNDS, TURNS, PASSES, SEED = 14, 8, 1, 1
#: The kernel's section on x86-64 (SECTION_SIZE_BITS), of which a namespace is a multiple.
SECTION_BYTES = 128 * MIB

size_option = click.option(
    "--size", default="100G", show_default=True, metavar="S", help="Size of the namespaces."
)


def schedule_of(
    size: str, rounds: int, passes: int = PASSES, seed: int = SEED, turns: int = TURNS
) -> "Schedule":
    """Return the schedule. Raises InputError for a size that no namespace can have."""
    from harness.host.units import parse_size
    from harness.replay.timing.schedule import Schedule

    try:
        size_bytes = parse_size(size)
    except ValueError as error:
        raise InputError(str(error), where="--size") from error
    if size_bytes % SECTION_BYTES or not size_bytes:
        raise InputError(
            f"{size} is not a multiple of the kernel's section size",
            where="--size",
            expected="a multiple of 128M",
        )
    return Schedule(size_bytes, rounds, passes, seed, slices=turns)
