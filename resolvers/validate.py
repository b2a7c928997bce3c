"""`validate`: records in, verdicts out, now."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from access.allowance import Allowance
from access.errors import Exhausted
from providers.priority import Priority
from questions.judging import EmptyRecordError, Judge, Needs
from questions.terms import Terms
from questions.usage import Usage
from resolvers.allowed import afford, count_records
from resolvers.context import Context
from resolvers.errors import PublicError
from resolvers.idempotent import max_age_of_first
from resolvers.max_age import max_age_s_of
from verdicts.record import Record
from verdicts.verdict import RecordResult

DEADLINE_MS_MAX = 120_000


class Options(Protocol):
    """What a client may ask of one call of `validate`."""

    @property
    def deadline_ms(self) -> int | None: ...
    @property
    def max_age(self) -> timedelta | None: ...
    @property
    def priority(self) -> Priority | None: ...
    @property
    def sandbox(self) -> bool | None: ...
    @property
    def idempotency_key(self) -> str | None: ...


class Validated(Struct, frozen=True, gc=False):
    """The results of one call and what they took."""

    results: list[RecordResult]
    usage: Usage


async def validate(
    context: Context, records: Sequence[Record], needs: Needs, options: Options | None
) -> Validated:
    """Return a verdict for each field of each record.

    Raises:
        PublicError: too many records, an empty one, or an option that makes no sense.
    """
    _refuse_bad_input(context, records)
    _weigh(context, records, needs)
    deadline_ms = context.deadline_ms
    max_age_s = None
    priority = Priority.INTERACTIVE
    judge = context.judge
    if options is not None:
        if options.deadline_ms is not None:
            deadline_ms = options.deadline_ms
        max_age_s = max_age_s_of(options.max_age)
        if options.idempotency_key is not None:
            max_age_s = await max_age_of_first(context, records, options, max_age_s)
        priority = options.priority or priority
        if options.sandbox:
            judge = _rehearsal(context)
    if not 1 <= deadline_ms <= DEADLINE_MS_MAX:
        raise PublicError(
            "BAD_OPTION", f"deadlineMs is {deadline_ms}; give 1 to {DEADLINE_MS_MAX} milliseconds."
        )
    allowance = context.allowance
    usage = Usage(currency=context.currency)
    if allowance is not None:
        usage.tell = allowance.charge
        if not allowance.covers(len(records)):
            await _counted(context, allowance, records, needs)
    deadline = asyncio.get_running_loop().time() + deadline_ms / 1000
    terms = Terms(deadline, max_age_s, usage, priority, context.tenant)
    try:
        results = await judge.judge(records, needs, terms)
    except EmptyRecordError as error:
        raise PublicError(
            "EMPTY_RECORD",
            f"records[{error.index}] has no field to validate; give at least one, or leave it out.",
        ) from None
    finally:
        if usage.cost and allowance is not None:
            await allowance.settle()
    return Validated(results, usage)


def _rehearsal(context: Context) -> Judge:
    if context.rehearsal is None:
        raise PublicError(
            "SANDBOX_OFF", "No sandbox runs here; start Assay with --sandbox, or leave it."
        )
    return context.rehearsal


async def _counted(
    context: Context, allowance: Allowance, records: Sequence[Record], needs: Needs
) -> None:
    """Return if the caller may still ask this today."""
    try:
        if any(needs.values()):
            await afford(allowance)
        await count_records(context, len(records))
    except Exhausted as error:
        raise PublicError("QUOTA_EXHAUSTED", str(error)) from None


def _weigh(context: Context, records: Sequence[Record], needs: Needs) -> None:
    """Return if deciding `records` takes no more calls than one request may."""
    most = context.calls_max
    if len(records) * sum(map(len, needs.values())) <= most:
        return  # whatever the records hold
    found = sum(
        len(checks) * sum(getattr(record, field) is not None for record in records)
        for field, checks in needs.items()
    )
    if found > most:
        raise PublicError(
            "COST_TOO_HIGH",
            f"This may take {found} calls to providers; one request may take {most}"
            " (gateway.calls_max). Send fewer records, select fewer fields, or make a batch.",
        )


def _refuse_bad_input(context: Context, records: Sequence[Record]) -> None:
    if len(records) > context.records_max:
        raise PublicError(
            "TOO_MANY_RECORDS",
            f"{len(records)} records in one call; send at most {context.records_max},"
            " and the rest in further calls.",
        )
