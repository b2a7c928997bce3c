"""What the tests of all kinds share: short ways to read an examined value."""

from typing import Any

from verdicts.examined import Examined


def outcome_of(examined: Examined[Any], check: str) -> str:
    """Return the conclusion of `check`."""
    return reason_of(examined, check)[0]


def reason_of(examined: Examined[Any], check: str) -> tuple[str, str | None]:
    """Return the conclusion of `check` and the code of its first reason, None without reasons."""
    (outcome,) = (outcome for outcome in examined.outcomes if outcome.check == check)
    codes = [reason.code.value for reason in outcome.reasons]
    assert all(reason.check == check for reason in outcome.reasons)
    return outcome.conclusion.value, codes[0] if codes else None


def parts_of(examined: Examined[Any], check: str) -> tuple[str, ...]:
    """Return the parts that the only reason of `check` is about."""
    (outcome,) = (outcome for outcome in examined.outcomes if outcome.check == check)
    (reason,) = outcome.reasons
    return reason.parts
