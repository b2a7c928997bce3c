"""Scalars of our own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NewType

import strawberry
from pydantic import TypeAdapter, ValidationError
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY

Duration = NewType("Duration", timedelta)
"""A length of time; ISO 8601 in the schema."""

_ADAPTER: TypeAdapter[timedelta] = TypeAdapter(timedelta)


def parse_duration(value: object) -> Duration:
    """Return the ISO 8601 duration `value` (`PT12H`, `P30D`).

    Raises:
        ValueError: it is not one, or is negative.
    """
    if isinstance(value, str) and value.startswith("P"):
        try:
            duration = _ADAPTER.validate_python(value)
        except ValidationError:
            duration = None
        if duration is not None and duration >= timedelta(0):
            return Duration(duration)
    raise ValueError("not a duration; write ISO 8601, for example PT12H or P30D")


def serialize_duration(value: timedelta) -> str:
    """Return `value` in ISO 8601."""
    return str(_ADAPTER.dump_python(value, mode="json"))


DURATION = strawberry.scalar(
    name="Duration",
    description="A length of time in ISO 8601: `PT30S`, `PT12H`, `P30D`.",
    specified_by_url="https://www.iso.org/iso-8601-date-and-time-format.html",
    parse_value=parse_duration,
    serialize=serialize_duration,
)


def in_utc(moment: datetime) -> datetime:
    """Return `moment` in UTC, which is meant where it names no zone, in whole milliseconds.

    Raises:
        ValueError: there it is outside of the years 1 to 9999.
    """
    try:
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is outside of the years 1 to 9999") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


_STOCK = DEFAULT_SCALAR_REGISTRY[datetime]


def parse_moment(value: object) -> datetime:
    """Return the ISO 8601 date and time `value` as `in_utc` does.

    Raises:
        ValueError: it is outside of the years 1 to 9999.
        StrawberryInputCoercionError: it is none.
    """
    assert _STOCK.parse_value is not None
    try:
        moment: datetime = _STOCK.parse_value(value)
    except OverflowError:  # midnight after the last day
        raise ValueError("it is outside of the years 1 to 9999") from None
    return in_utc(moment)


MOMENT = replace(_STOCK, parse_value=parse_moment)
"""Strawberry's `DateTime`, of moments that UTC has, too: what a table holds can be read again."""
