"""How old an outcome may be that a client takes."""

from datetime import timedelta

MAX_AGE_S_MAX = 3_155_760_000.0
"""A century: no outcome is older, and the clock reaches back so far."""


def max_age_s_of(given: timedelta | None) -> float | None:
    """Return `given` in seconds, at most `MAX_AGE_S_MAX`; None leaves it to the settings."""
    return None if given is None else min(given.total_seconds(), MAX_AGE_S_MAX)
