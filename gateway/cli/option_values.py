"""What options say, as the API takes it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from gateway.cli.errors import WRONG_USAGE, CommandError


def amount(option: str, given: str | None) -> str | None:
    """Return an amount of money as the API takes it.

    Raises:
        CommandError: it is none.
    """
    if given is None:
        return None
    try:
        if Decimal(given) >= 0:
            return given
    except InvalidOperation:
        pass
    raise CommandError(f"{option} {given!r}: write an amount such as 12.50.", WRONG_USAGE)


def moment_of(option: str, given: str | None) -> str | None:
    """Return a moment as the API takes it; without a time zone it is this machine's.

    Raises:
        CommandError: it is none.
    """
    if given is None:
        return None
    try:
        return datetime.fromisoformat(given).astimezone(UTC).isoformat()
    except (OverflowError, ValueError):
        raise CommandError(
            f"{option} {given!r}: write a moment such as 2026-12-24T22:00 or"
            " 2026-12-24T22:00+01:00.",
            WRONG_USAGE,
        ) from None


def duration(option: str, given: str | None) -> str | None:
    """Return a length of time as the API takes it.

    Raises:
        CommandError: it is none.
    """
    length(option, given)
    return given


def length(option: str, given: str | None) -> timedelta | None:
    """Return a length of time, written as the API takes it.

    Raises:
        CommandError: it is none.
    """
    if given is None:
        return None
    from schema.scalars import parse_duration

    try:
        return parse_duration(given)
    except ValueError as error:
        raise CommandError(f"{option} {given!r}: {error}.", WRONG_USAGE) from None
