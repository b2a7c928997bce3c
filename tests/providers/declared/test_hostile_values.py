"""No value changes what a call is: its path, parameters, headers and body are those declared."""

import json
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.declared.call_settings import BulkCallTable, CallTable
from providers.declared.calls import NOBODYS, BulkCall, Signed, SingleCall
from providers.declared.template import JsonTemplate, Template
from providers.exchange import Account, Call
from providers.transport import Transport
from tests.declared_standin import Reply, Seen, standing_in
from tests.providers.declared.declaring import service

NASTY = (
    "a+b", "a&b=c", "a=b", "100%", "%2e%2e%2f", "/../../admin", "a/b", "what?", "#top", "a;b,c",
    '"quoted"', "'; drop", "back\\slash", "line\nfeed", "carriage\r\nX-Evil: 1", "\ttab", "\x00",
    "bücher", "日本", "\U0001f600", "{value}", "{local}", "{{value}}", "{values}", "{0.__class__}",
    "${jndi:x}", " around ", "a b", "<script>", "]}", "\u2028", "name=\x7f",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.lists(st.sampled_from(NASTY), min_size=2, max_size=3).map("".join),
)
CALL = CallTable.model_validate({
    "method": "POST",
    "path": "/v1/{local}/of/{value}/end",
    "query": {"first": "{value}", "q": "is:{local}", "last": "fixed"},
    "headers": {"X-Value": "v={value}", "X-Other": "fixed"},
    "json": {"who": {"value": "{value}", "list": ["{local}", 1, None, "-{value}-"]}, "end": True},
})  # fmt: skip
BULK = BulkCallTable.model_validate({
    "method": "POST",
    "json": {"all": "{values}", "end": True},
    "each": {"is": "{value}", "kind": "x"},
})  # fmt: skip


def parts(value: str, local: str) -> dict[str, str]:
    return {"value": value, "local": local}


def made(value: str, local: str) -> Call:
    return SingleCall(CALL).made(parts(value, local), Signed(query=(("key", "KEY"),)))


@given(texts, texts)
def test_a_path_has_the_segments_that_were_declared(value: str, local: str) -> None:
    path = made(value, local).path
    assert path.isascii()
    split = urlsplit(f"https://service.example{path}")
    assert (split.netloc, split.query, split.fragment) == ("service.example", "", "")
    assert [unquote(one) for one in split.path.split("/")] == ["", "v1", local, "of", value, "end"]


@given(texts, texts)
def test_json_has_the_shape_that_was_declared(value: str, local: str) -> None:
    sent = json.loads(json.dumps(made(value, local).json))
    assert sent == {
        "who": {"value": value, "list": [local, 1, None, f"-{value}-"]},
        "end": True,
    }


@given(st.lists(texts, min_size=1, max_size=4))
def test_bulk_json_has_one_item_a_value(values: list[str]) -> None:
    call = BulkCall(BULK).made([parts(value, "x") for value in values], NOBODYS)
    assert call.json == {"all": [{"is": value, "kind": "x"} for value in values], "end": True}


@given(texts, texts)
def test_headers_are_visible_ascii(value: str, local: str) -> None:
    for name, text in made(value, local).headers:
        assert name in {"X-Value", "X-Other"}
        assert all(" " <= letter <= "~" for letter in text)


@given(texts)
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert Template("{value}").plain(parts(value, "SECRET")) == value
    assert JsonTemplate(["{value}"]).filled(parts(value, "SECRET"), ["LIST"]) == [value]


@given(texts, texts)
def test_a_joined_text_is_split_into_what_was_joined(one: str, other: str) -> None:
    bulk = BulkCall(
        BulkCallTable.model_validate({"query": {"of": "{values}"}, "join": "||"}),
    )
    both = [parts(value, "x") for value in (one, other)]
    if all(map(bulk.fits, both)) and not one.endswith("|") and not other.startswith("|"):
        (of,) = bulk.made(both, NOBODYS).query
        assert of[1].split("||") == [one, other]


@pytest.mark.parametrize("value", ["..", ".", ""])
def test_a_part_that_would_change_the_path_is_not_sent(value: str) -> None:
    single = SingleCall(CALL)
    assert single.fits(parts("a", "b"))
    assert not single.fits(parts("a", value))
    assert single.fits(parts("a", "x" + value))


async def test_over_a_socket_the_service_reads_what_was_meant() -> None:
    def same(seen: Seen) -> Reply:
        return Reply({"got": seen.asked("first")})

    transport = Transport()
    try:
        async with standing_in(same) as there:
            for value in NASTY:
                answer = await transport.send(there.url, made(value, "x"), 5.0)
                seen = there.calls[-1]
                assert answer.status == 200
                assert [unquote(part) for part in seen.path.split("/")][2:5] == ["x", "of", value]
                assert seen.query == (
                    ("first", value),
                    ("q", "is:x"),
                    ("last", "fixed"),
                    ("key", "KEY"),
                )
                assert seen.json["who"]["value"] == value
                assert "x-evil" not in seen.headers
            form = service(
                'service = "http"\nkind = "email"\nbase_url = "https://a.example"\n'
                'call = { method = "POST", form = { is = "{local}", end = "1" } }\n'
                'answer.status = { read = "s", map = { x = "VALID" } }\n'
            )
            for value in NASTY:
                call = next(form.ask([f"{value}@b.example"], Account("a", {})))
                await transport.send(there.url, call, 5.0)
                body = there.calls[-1].body.decode()
                assert parse_qsl(body) == [("is", value), ("end", "1")]
    finally:
        await transport.close()
