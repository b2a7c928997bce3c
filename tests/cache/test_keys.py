from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.keys import DIGEST_BYTES, SECRET_BYTES_MIN, Keys

SECRET = b"a key for tests, of 32 bytes...."
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


@given(TEXTS, TEXTS)
def test_equal_values_have_one_name_and_others_another(one: str, other: str) -> None:
    keys = Keys(SECRET, "email", "mailbox")
    assert len(keys.digest(one)) == DIGEST_BYTES
    assert (keys.digest(one) == keys.digest(other)) == (one == other)
    assert keys.digest(one) == Keys(SECRET, "email", "mailbox").digest(one)


def test_the_secret_the_kind_and_the_check_are_part_of_the_name() -> None:
    """The parts can't run into each other, either."""
    makers = [
        Keys(SECRET, "email", "mailbox"),
        Keys(SECRET, "email", "domain"),
        Keys(SECRET, "emai", "lmailbox"),
        Keys(SECRET, "email", "mailbox@sandbox"),
        Keys(SECRET, "phone", "mailbox"),
        Keys(SECRET[::-1], "email", "mailbox"),
    ]
    names = [keys.digest("ada@example.com") for keys in makers]
    assert all(one != other for one, other in combinations(names, 2))


def test_a_secret_that_is_too_short_is_refused() -> None:
    Keys(b"x" * SECRET_BYTES_MIN, "email", "mailbox")
    with pytest.raises(ValueError, match="16 bytes"):
        Keys(b"x" * (SECRET_BYTES_MIN - 1), "email", "mailbox")


def test_a_long_secret_is_taken() -> None:
    assert len(Keys(b"x" * 200, "email", "mailbox").digest("a")) == DIGEST_BYTES
