"""The enums of batches, each value with its meaning."""

import strawberry

from batches.batch import PauseReason, State
from resolvers.batch_changes import Problem
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

strawberry.enum(Problem, name="BatchErrorCode", description="What you can act on.")
describe(
    Problem,
    {
        Problem.NOT_FOUND: "There is no batch of this id. It may have been deleted.",
        Problem.NOT_NOW: "The batch's state does not allow it; the message says which it is.",
        Problem.NOT_A_DRAFT: "It was started, and takes no more records: make a new one.",
        Problem.OUT_OF_STEP: "It has another number of records than `after` says.",
        Problem.KEY_USED: "The idempotency key was used for something else: take a new one.",
        Problem.BAD_INPUT: "A value is not one that is allowed; the message says which are.",
        Problem.EMPTY_RECORD: "A record has no field to validate.",
        Problem.TOO_MANY_RECORDS: "More records than one call may hold.",
        Problem.SANDBOX_OFF: "No sandbox runs here.",
        Problem.WEBHOOKS_OFF: "No secret is configured to sign webhooks with.",
        Problem.COST_CAP: "It would cost more than its `costCap`: raise that, and start it again.",
        Problem.QUOTA_EXHAUSTED: "Your key may send or spend no more of that today.",
        Problem.UNAVAILABLE: "The store of batches can't be reached now: try again.",
    },
)

BatchState = State
BatchErrorCode = Problem

__all__ = ["BatchErrorCode", "BatchState", "PauseReason"]
