"""A delivery: one change of a batch that its webhook is to be told."""

from datetime import datetime
from enum import Enum

from msgspec import Struct

from batches.batch import Batch


class DeliveryState(Enum):
    """Whether a webhook was told."""

    DUE = "DUE"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


class Delivery(Struct, frozen=True, kw_only=True):
    """What a webhook is to be told, once: that its batch entered a state.

    `id` is the same for each attempt. `snapshot`: the batch as it was then. `attempts`: how often
    it was tried before.
    """

    id: str
    batch: str
    url: str
    snapshot: Batch
    created_at: datetime
    due_at: datetime | None
    attempts: int
    state: DeliveryState
    last_error: str | None
