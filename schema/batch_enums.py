"""The enums of batches, each value with its meaning."""

import strawberry

from batches.batch import PauseReason, State
from schema.enums import describe

strawberry.enum(State, name="BatchState", description="Where a batch stands.")
describe(
    State,
    {
        State.DRAFT: "It takes records, and is not started.",
        State.QUEUED: "It is started, and waits for its turn, or for its `startAfter`.",
        State.RUNNING: "Its records are being validated.",
        State.PAUSED: "Nothing more of it is begun until it is resumed; see `pauseReason`.",
        State.CAPPED: "It would exceed its `costCap`: raise that, and start it again.",
        State.CANCELLING: "What is under way is let come back, and is kept.",
        State.CANCELLED: "It was cancelled; what was found until then is kept.",
        State.COMPLETED: "Every record has its result.",
        State.FAILED: "Nothing more can be done: its data can't be read.",
    },
)
strawberry.enum(PauseReason, name="PauseReason", description="Why a batch is paused.")
describe(
    PauseReason,
    {
        PauseReason.REQUESTED: "Somebody asked for it.",
        PauseReason.QUOTA_EXHAUSTED: "A provider's quota is used up; it goes on at `retryAt`.",
        PauseReason.OUT_OF_CREDIT: "A provider's account has no credit left.",
        PauseReason.PROVIDER_REFUSED: "A provider refuses our credentials.",
    },
)

BatchState = State

__all__ = ["BatchState", "PauseReason"]
