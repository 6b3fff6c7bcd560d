# SPDX-License-Identifier: GPL-2.0-only
"""The digest by which plans, guests, recipes and other values are recorded and cached."""

import hashlib

import msgspec


def value_digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON in hex, which is the same on every machine.

    Structs must not have `omit_defaults`: msgspec compares strings with defaults by identity, so
    the JSON of a copy could have more fields.
    """
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
