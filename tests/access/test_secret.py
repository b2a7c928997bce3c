import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.secret import Pepper, id_in, new_id, new_text
from tests.gateway.doors import PEPPER

LETTERS = string.ascii_letters + string.digits


def test_a_key_says_its_id_and_nobody_guesses_the_rest() -> None:
    id_ = new_id()
    texts = {new_text(id_) for _ in range(100)}
    assert len(texts) == 100
    assert {id_in(text) for text in texts} == {id_}
    assert all(text.startswith(f"assay_{id_}_") for text in texts)


@given(st.data())
def test_one_wrong_letter_makes_it_no_key(data: st.DataObject) -> None:
    """So a typing mistake, or a string that only looks like a key, is told without a look."""
    text = new_text(new_id())
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(sorted(set(LETTERS) - {text[at]})))
    assert id_in(text[:at] + other + text[at + 1 :]) is None


@given(st.text())
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert id_in(text) is None


@pytest.mark.parametrize("cut", [1, 6, 20])
def test_a_key_without_its_end_is_none(cut: int) -> None:
    assert id_in(new_text(new_id())[:-cut]) is None


def test_without_the_pepper_nobody_makes_the_digest() -> None:
    text = new_text(new_id())
    other = Pepper(b"another pepper of the same length")
    assert PEPPER.digest(text) == PEPPER.digest(text)
    assert PEPPER.digest(text) != other.digest(text)
    assert PEPPER.digest(text) != PEPPER.digest(new_text(new_id()))
    with pytest.raises(ValueError, match="16 bytes"):
        Pepper(b"short")
