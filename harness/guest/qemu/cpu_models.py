# SPDX-License-Identifier: GPL-2.0-only
"""Which CPU models to try for a guest under KVM, the best first. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

#: What QEMU passes through; it promises nothing that the host's KVM lacks.
HOST = "host"
#: Features of `host` that a KVM inside an emulated AMD machine offers but gets wrong: the guest's
#: kernel reports inconsistent XSAVE sizes, or oopses.
UNSAFE = ("xsave", "erms", "fsrm")
SAFE_HOST = ",".join((HOST, *(f"{name}=off" for name in UNSAFE)))
#: Models that differ from another in a feature that most machines have switched off.
_NEAREST = {"Icelake-Server": ("Icelake-Server-noTSX",)}


class CpuModel(msgspec.Struct, frozen=True):
    """A value of QEMU's -cpu. `lacks` are features of the model that was asked for."""

    option: str = ""
    lacks: tuple[str, ...] = ()

    def without(self, asked: str) -> str:
        """Return what this model lacks of the one that was asked for, in words."""
        return f"it lacks {', '.join(self.lacks) or 'features that QEMU does not name'} of {asked}"


def candidates(asked: str, missing: Mapping[str, Sequence[str]] | None) -> tuple[CpuModel, ...]:
    """Return the models to try, in order; `missing` is what each promises and the host's KVM lacks.

    Models with a missing feature are left out: the guest would rely on it. If `missing` is None,
    QEMU did not say, and the model that was asked for is tried.
    """
    if asked.partition(",")[0] in (HOST, "max"):
        lacks: tuple[str, ...] = ()
        found = [CpuModel(asked)]
    else:
        lacks = () if missing is None else tuple(dict.fromkeys(missing.get(asked, ())))
        named = (asked, *_NEAREST.get(asked, ()))
        found = [
            CpuModel(name, () if name == asked else lacks)
            for name in (named if missing is not None else (asked,))
            if missing is None or (name in missing and not missing[name])
        ]
    found += [CpuModel(HOST, lacks)]
    found += [CpuModel(SAFE_HOST, (*lacks, *(name for name in UNSAFE if name not in lacks)))]
    return tuple(dict.fromkeys(found))
