"""A key: whose it is, what it may do, from where, until when and how much."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import Struct

from access.scope import Scopes

Network = IPv4Network | IPv6Network
TENANT_CHARS_MAX = 100
NETWORKS_MAX = 50
RATE_MAX = 100_000
RECORDS_PER_DAY_MAX = 10**12
COST_PER_DAY_MAX = 10**9


class Limits(Struct, frozen=True):
    """How much a caller may ask; None bounds nothing.

    A day is one of UTC. Cost is in millionths of the gateway's currency.
    """

    requests_per_second: float | None = None
    records_per_day: int | None = None
    cost_per_day_millionths: int | None = None


UNLIMITED = Limits()


class NewKey(Struct, frozen=True, kw_only=True):
    """What is wanted of a new key. An `idempotency_key` makes one key, however often it is sent."""

    tenant: str
    name: str
    scopes: Scopes
    expires_at: datetime | None = None
    networks: Sequence[Network] = ()
    limits: Limits = UNLIMITED
    idempotency_key: str | None = None


class Key(Struct, frozen=True, kw_only=True):
    """A key as it is kept. Until `before_until` the secret before the present one is good, too."""

    id: str
    tenant: str
    name: str
    scopes: Scopes
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    networks: Sequence[Network]
    limits: Limits
    digest: bytes
    digest_before: bytes | None = None
    before_until: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Tell whether it is neither revoked nor expired at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_from(self, address: str | None) -> bool:
        """Tell whether it may be used from `address`; where none is known, only if anywhere."""
        if not self.networks:
            return True
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.networks)


def networks_of(texts: Sequence[str]) -> list[Network]:
    """Return the networks that `texts` write as addresses or `ADDRESS/BITS`.

    Raises:
        ValueError: one of them is none, or there are more than `NETWORKS_MAX`.
    """
    if len(texts) > NETWORKS_MAX:
        raise ValueError(f"{len(texts)} networks: give {NETWORKS_MAX} at most")
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise ValueError(
                f"{text!r} is no network: write 203.0.113.7 or 203.0.113.0/24"
            ) from None
    return found
