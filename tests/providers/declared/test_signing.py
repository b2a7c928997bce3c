"""A declared call says whose it is, where the service wants to read it."""

import pytest
from pydantic import ValidationError

from providers.exchange import Account
from tests.providers.declared.declaring import LOOK_UP, service
from tests.providers.declared.test_conversation import A, asked


@pytest.mark.parametrize(
    "auth, query, headers",
    [
        ('{ type = "query", name = "key" }', (("key", "key"),), ()),
        ('{ type = "header", name = "X-Key" }', (), (("X-Key", "key"),)),
        (
            '{ type = "header", name = "Authorization", prefix = "Token token=" }',
            (),
            (("Authorization", "Token token=key"),),
        ),
        ('{ type = "bearer" }', (), (("Authorization", "Bearer key"),)),
        ('{ type = "basic" }', (), (("Authorization", "Basic a2V5OnNlY3JldA=="),)),
    ],
)
def test_a_call_says_whose_it_is(
    auth: str, query: tuple[tuple[str, str], ...], headers: tuple[tuple[str, str], ...]
) -> None:
    one = service(f"auth = {auth}\n{LOOK_UP}")
    call = asked(one, A)
    assert call.query == (("domain", "one.example"), *query)
    assert call.headers == headers
    assert one.SECRETS == ("api_key",)


@pytest.mark.parametrize(
    "body, form, json",
    [
        ('json = { email = "{value}" }', None, {"email": A, "key": "key"}),
        ('form = { email = "{value}" }', (("email", A), ("key", "key")), None),
    ],
)
def test_the_key_may_stand_in_the_body(body: str, form: object, json: object) -> None:
    table = LOOK_UP.replace(
        'path = "/check/{local}", query = { domain = "{domain}" }', f'method = "POST", {body}'
    )
    call = asked(service(f'auth = {{ type = "body", name = "key" }}\n{table}'), A)
    assert (call.form, call.json) == (form, json)
    assert (call.query, call.headers) == ((), ())


@pytest.mark.parametrize(
    "call",
    [
        "query = { a = '{value}' }",
        'method = "POST", json = ["{value}"]',
        'method = "POST", json = { key = "{value}" }',
        'method = "POST", form = { key = "{value}" }',
    ],
)
def test_a_body_that_cannot_hold_the_key_is_a_mistake(call: str) -> None:
    table = LOOK_UP.replace('path = "/check/{local}", query = { domain = "{domain}" }', call)
    with pytest.raises(ValidationError, match="auth by body needs `json` that is a table"):
        service(f'auth = {{ type = "body", name = "key" }}\n{table}')


def test_a_key_that_is_optional_is_left_out_when_there_is_none() -> None:
    one = service(f'auth = {{ type = "header", name = "X-Key", optional = true }}\n{LOOK_UP}')
    assert one.SECRETS == ()
    assert asked(one, A, by=Account("none", {})).headers == ()
