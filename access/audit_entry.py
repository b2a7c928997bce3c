"""What administrators do that is kept, and how it stands in the audit log."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct


class Act(Enum):
    """What may be done that is kept."""

    KEY_CREATED = "KEY_CREATED"
    KEY_ROTATED = "KEY_ROTATED"
    KEY_REVOKED = "KEY_REVOKED"
    VALUE_FORGOTTEN = "VALUE_FORGOTTEN"


class Entry(Struct, frozen=True):
    """One act. `actor` is the id of a key, or `local:USER` of who worked on the machine itself.

    `target` is the id of what it was done to; `details` never hold a secret or a record's value.
    """

    number: int
    tenant: str
    at: datetime
    actor: str
    act: Act
    target: str
    details: Mapping[str, str]
