"""The domains that the nameserver treats specially, as data."""

from __future__ import annotations

from typing import Literal

from sandbox.standin import Conclusion, MagicInput

Behaviour = Literal[
    "usual", "nxdomain", "nodata", "address_only", "address_6_only", "null_mx", "servfail",
    "refused", "timeout", "many_mx", "alias", "truncated", "slow", "garbage",
]  # fmt: skip
MAGIC: dict[str, tuple[Behaviour, Conclusion, str]] = {
    "nxdomain.example.net.": ("nxdomain", "REFUTED", "the domain does not exist"),
    "no-address.example.net.": ("nodata", "REFUTED", "exists, but has neither MX nor address"),
    "null-mx.example.net.": ("null_mx", "REFUTED", "says with MX `0 .` that it takes no mail"),
    "a-only.example.net.": ("address_only", "CONFIRMED", "no MX, but an A: mail goes there"),
    "aaaa-only.example.net.": ("address_6_only", "CONFIRMED", "no MX, but an AAAA"),
    "many-mx.example.net.": ("many_mx", "CONFIRMED", "three MX hosts, not in order"),
    "alias.example.net.": ("alias", "CONFIRMED", "a CNAME that leads to an MX"),
    "truncated.example.net.": ("truncated", "CONFIRMED", "too long for UDP: asked again by TCP"),
    "slow.example.net.": ("slow", "CONFIRMED", "answers after 300 ms"),
    "servfail.example.net.": ("servfail", "UNDECIDED", "the nameserver fails"),
    "refused.example.net.": ("refused", "UNDECIDED", "the nameserver refuses to answer"),
    "timeout.example.net.": ("timeout", "UNDECIDED", "the nameserver never answers"),
    "garbage.example.net.": ("garbage", "UNDECIDED", "the nameserver answers nonsense"),
}
INPUTS = tuple(
    MagicInput("dns", "email", f"somebody@{name.rstrip('.')}", behaviour, conclusion, meaning)
    for name, (behaviour, conclusion, meaning) in MAGIC.items()
)
FAULTS: tuple[Behaviour, ...] = ("nxdomain", "nodata", "servfail", "refused", "timeout",
                                 "truncated", "slow", "garbage")  # fmt: skip


def behaviour_of(name: str) -> Behaviour:
    """Return how the nameserver treats a domain (lower case, with its last dot)."""
    if name.endswith(".invalid."):
        return "nxdomain"
    magic = MAGIC.get(name)
    return magic[0] if magic else "usual"
