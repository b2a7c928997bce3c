"""How long batches are kept once they have ended, by tenant."""

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct


class Kept(Struct, frozen=True):
    """How long after its end a batch keeps what was given, and how long its results.

    `apart` are tenants for whose batches something else holds.
    """

    given: timedelta
    results: timedelta
    apart: Mapping[str, "Kept"] = {}
