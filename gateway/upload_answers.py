"""What is answered to whoever sends a file: where it stands, or what was wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from batches.batch import Batch, State
from batches.chunk import RowError
from batches.errors import (
    IdempotencyConflict,
    MoveRefused,
    NoSuchBatch,
    NotADraft,
    OffsetMismatch,
    StoreError,
    StoreFull,
)
from batches.given import Upload, unpacked_layout
from batches.ingest import NoUpload, Superseded, TooManyUploads, upload_of
from batches.intake import OtherFile
from batches.source.dialect import Dialect
from batches.source.errors import SourceError
from batches.source.unpacking import NOT_WHAT_IT_SAYS
from gateway.asked import Refusal

ROW_ERRORS_SHOWN_MAX = 20
AGAIN_S = 5
"""When to try again what the store could not do."""
_STATUS = {"TOO_LARGE": 413, "TOO_MANY_RECORDS": 413, NOT_WHAT_IT_SAYS: 415}


class Problem(Struct, frozen=True):
    """Something that stops an upload: the HTTP status, a code for programs, what to do."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


def upload_path(batch: Batch) -> str:
    """Return where the file of `batch` goes on."""
    return f"/batches/{batch.id}/upload"


def headers_of(batch: Batch) -> dict[str, str]:
    """Return the headers that tell how much of the file is kept."""
    complete = upload_of(batch).complete
    return {
        "location": upload_path(batch),
        "upload-offset": str(batch.offset),
        "upload-complete": "?1" if complete else "?0",
    }


def answered(batch: Batch, errors: Sequence[RowError]) -> dict[str, Any]:
    """Return the JSON that tells where a file stands; `errors` are the first ones by row."""
    upload, layout = upload_of(batch), unpacked_layout(batch.layout)
    return {
        "batch": {
            "id": batch.id,
            "name": batch.name,
            "state": batch.state.value,
            "records": batch.records,
        },
        "upload": {
            "complete": upload.complete,
            "offset": batch.offset,
            "path": upload_path(batch),
        },
        "file": None if upload.dialect is None else _file(upload.dialect, layout.carried),
        "rowErrors": {
            "count": batch.row_errors,
            "first": [
                {"line": error.line, "why": error.why} for error in errors[:ROW_ERRORS_SHOWN_MAX]
            ],
        },
        "next": _next(batch, upload),
    }


def _file(dialect: Dialect, carried: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "format": dialect.format.value,
        "encoding": dialect.coding.encoding,
        "encodingGuessed": dialect.coding.guessed,
    }
    if dialect.mapping is not None:
        told["delimiter"] = dialect.delimiter
        told["columns"] = [
            {"column": column, "fields": fields.split(", "), "guessed": guessed}
            for column, fields, guessed in dialect.mapping.told()
        ]
        carried = dialect.mapping.alone
    if dialect.mapping is not None or carried:
        told["carriedThrough"] = list(carried)
    return told


def _next(batch: Batch, upload: Upload) -> str:
    if not upload.complete:
        return (
            f"Send the rest by PATCH {upload_path(batch)}, Upload-Offset: {batch.offset}; or the"
            " whole file again, by the same request with the same Idempotency-Key."
        )
    if batch.state is not State.DRAFT:
        return "It is started: batch(id:) shows how far it is, batchStatus follows it."
    if not batch.records:
        return (
            "No row could be read, so there is nothing to start: see rowErrors. Delete the batch."
        )
    return (
        "Look at columns and rowErrors, then start it:"
        f' mutation {{ startBatch(batchId: "{batch.id}") {{ batch {{ status {{ state }} }}'
        " errors { message } } }."
        " start=true does that at once."
    )


def problem_of(error: Exception) -> Problem | None:
    """Return what to tell of `error`; None when it is ours to look after."""
    if isinstance(error, SourceError):
        return Problem(_STATUS.get(error.code, 400), error.code, error.message)
    if isinstance(error, Refusal):
        return Problem(error.status, error.code, error.message)
    found = next((_PROBLEMS[one] for one in type(error).__mro__ if one in _PROBLEMS), None)
    if found is not None and not found.message:
        return Problem(found.status, found.code, f"{error}.")
    return found


_PROBLEMS: Mapping[type, Problem] = {
    NoSuchBatch: Problem(404, "NOT_FOUND", ""),
    OffsetMismatch: Problem(409, "OUT_OF_STEP", ""),
    NotADraft: Problem(409, "NOT_A_DRAFT", ""),
    MoveRefused: Problem(409, "NOT_NOW", ""),
    IdempotencyConflict: Problem(409, "KEY_USED", ""),
    OtherFile: Problem(
        409,
        "OTHER_FILE",
        "What was sent does not begin as what is kept of this upload. Send the same file, or take a"
        " new Idempotency-Key for another.",
    ),
    Superseded: Problem(
        409, "SUPERSEDED", "The same file is being sent again, by another request: see that one."
    ),
    NoUpload: Problem(409, "NO_UPLOAD", "This batch is not made from a file."),
    TooManyUploads: Problem(
        503, "BUSY", "Too many files are being taken in. Try again.", retry_after_s=AGAIN_S
    ),
    StoreFull: Problem(
        507,
        "UNAVAILABLE",
        "STORE_FULL: no room is left for batches. What was acknowledged is kept; go on when there"
        " is.",
    ),
    StoreError: Problem(
        503,
        "UNAVAILABLE",
        "The store of batches can't be used now. What was acknowledged is kept; go on later.",
        retry_after_s=AGAIN_S,
    ),
}
"""What to tell of each, by the codes of `resolvers.batch_changes.Problem` where they mean the same;
without a message the error's own."""
