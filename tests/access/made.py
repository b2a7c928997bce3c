"""Keys for tests."""

from datetime import datetime

from access.key import UNLIMITED, Limits, NewKey, networks_of
from access.scope import EVERYTHING, Scopes


def new(
    tenant: str = "acme",
    *,
    scopes: Scopes = EVERYTHING,
    expires_at: datetime | None = None,
    networks: tuple[str, ...] = (),
    limits: Limits = UNLIMITED,
    idempotency_key: str | None = None,
) -> NewKey:
    return NewKey(
        tenant=tenant,
        name="a test",
        scopes=scopes,
        expires_at=expires_at,
        networks=tuple(networks_of(networks)),
        limits=limits,
        idempotency_key=idempotency_key,
    )
