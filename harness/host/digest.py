# SPDX-License-Identifier: GPL-2.0-only
"""The digest that plans, guests, recipes and other values of ours are recorded and cached by."""

import hashlib

import msgspec


def value_digest(value: object) -> str:
    """Return the SHA-256, in hex, of a value's JSON, the same on every machine that has the value.

    Structs must not have `omit_defaults`: msgspec decides by identity whether a string is the
    default, so the JSON of a copy has fields that the original's has not.
    """
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
