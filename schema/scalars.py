"""Scalars of our own."""

from datetime import timedelta
from typing import NewType

import strawberry
from pydantic import TypeAdapter, ValidationError

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
