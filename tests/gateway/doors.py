"""Doors for what stands behind one."""

from msgspec import Struct

from access.allowance import Allowances
from access.door import Door
from access.secret import Pepper
from gateway.admission import Admission
from gateway.valkey import Valkey

PEPPER = Pepper(b"a pepper for tests, and no other")


class Guard(Struct):
    """Who lets callers in."""

    door: Door
    allowances: Allowances


def everybody() -> Admission:
    """Let everybody in."""
    guard = Guard(
        Door(PEPPER, open_=True, local=True), Allowances(Valkey("redis://127.0.0.1:1", 1))
    )
    return Admission(lambda: guard)
