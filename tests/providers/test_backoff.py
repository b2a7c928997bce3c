"""How long to wait: what a service says of it in all ways, and what nobody says."""

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.backoff import BASE_S, CAP_S, RETRY_AFTER_MAX_S, full_jitter, retry_after_s

NOW_S = 1_795_000_000
DATE = formatdate(NOW_S, usegmt=True)


def at(seconds: int) -> str:
    return formatdate(NOW_S + seconds, usegmt=True)


@pytest.mark.parametrize(
    "said, seconds",
    [
        (None, None),
        ("2", 2.0),
        (" 2\t", 2.0),
        ("0", 0.0),
        (at(30), 30.0),
        (at(-30), 0.0),
        (at(86_400), RETRY_AFTER_MAX_S),
        ("Wednesday, 18-Nov-26 11:06:50 GMT", 10.0),  # RFC 850, obsolete, still to be read
        ("Wed Nov 18 11:06:50 2026", 10.0),  # asctime
        ("9" * 30, RETRY_AFTER_MAX_S),
        ("901", RETRY_AFTER_MAX_S),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("soon, please", None),
        ("Wed, 99 Nov 2026 09:46:50 GMT", None),
        ("٣", None),  # a digit, in Arabic
    ],
)
def test_all_forms_of_retry_after_are_read_and_nothing_else(
    said: str | None, seconds: float | None
) -> None:
    assert retry_after_s(said, DATE) == seconds


def test_their_clock_may_be_wrong() -> None:
    """A date means something beside the answer's own date only."""
    for wrong_s in (-100_000_000, 3600, 100_000_000):
        assert retry_after_s(at(wrong_s + 7), at(wrong_s)) == 7.0


@given(st.text(max_size=60), st.none() | st.text(max_size=40))
def test_no_text_breaks_it_and_no_wait_is_beyond_its_bound(said: str, date: str | None) -> None:
    seconds = retry_after_s(said, date)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_MAX_S


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_wait_is_anything_up_to_a_doubling_bound(attempt: int, drawn: float) -> None:
    most_s = min(CAP_S, BASE_S * 2.0 ** min(attempt, 60))
    assert 0 <= full_jitter(attempt, lambda: drawn) <= most_s


def test_waits_of_many_are_spread() -> None:
    waits = [full_jitter(5, random.Random(seed).random) for seed in range(1_000)]
    assert min(waits) < 0.1
    assert max(waits) > 1.5
