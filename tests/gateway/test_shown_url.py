import doctest

import pytest

from gateway import shown_url as module
from gateway.shown_url import shown_url

SECRET = "sesame"


def test_the_examples_are_right() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    "url",
    [
        f"redis://user:{SECRET}@here:6379/0",
        f"redis://:{SECRET}@[::1]:6379/0",
        f"https://here/path?key={SECRET}#{SECRET}",
        f"redis//:{SECRET}@here:6379/0",
        f":{SECRET}@here",
        f"redis://user:12/{SECRET}@here:6379/0",
        f"redis://user:12?{SECRET}@here:6379/0",
        f"redis://user:12#{SECRET}@here:6379/0",
        f"redis://user:{SECRET}/@here:6379/0",
        f"redis://user:{SECRET}@here:port/0",
        f"redis://[{SECRET}@here",
    ],
)
def test_no_secret_of_an_address_is_shown(url: str) -> None:
    assert SECRET not in shown_url(url)
