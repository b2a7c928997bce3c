"""What pages of other sites have a browser send is refused, on every route; unless configured."""

from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest
import zstandard

from tests.promises.guarded import JSON, Guarded, guarded

APP = "https://app.example.com"
QUERY = '{"query": "{ kinds { name description meaning checks { name description } } }"}'
ROUTES = (
    ("POST", "/graphql"),
    ("GET", "/graphql?query={kinds{name}}"),
    ("GET", f"/batches/{'0' * 32}/results.csv"),
    ("POST", "/batches"),
    ("HEAD", f"/batches/{'0' * 32}/upload"),
    ("GET", "/readyz"),
)


@pytest.fixture
async def house(tmp_path: Path, valkey_url: str) -> AsyncGenerator[Guarded]:
    gateway = {"origins": [APP]}
    async with guarded(tmp_path, valkey_url, gateway=gateway, access={"open": True}) as found:
        yield found


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{APP}.evil.example"},
        {"Origin": "http://app.example.com"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
async def test_a_page_of_another_site_gets_nothing(house: Guarded, headers: dict[str, str]) -> None:
    for method, path in ROUTES:
        async with house.session.request(
            method, house.url(path), headers=headers | JSON, data=QUERY
        ) as answer:
            assert answer.status == 403, (method, path)
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": APP},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_everybody_else_does(house: Guarded, headers: dict[str, str]) -> None:
    async with house.session.post(
        house.url("/graphql"), headers=headers | JSON, data=QUERY
    ) as answer:
        assert answer.status == 200
        told = answer.headers.get("access-control-allow-origin")
        assert told == (APP if headers.get("Origin") == APP else None)


async def test_a_link_may_be_followed_and_a_form_not_be_sent(house: Guarded) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    page = headers | {"Accept": "text/html"}
    async with house.session.get(house.url("/graphql"), headers=page) as answer:
        assert answer.status == 200
    async with house.session.post(house.url("/graphql"), headers=headers) as answer:
        assert answer.status == 403


async def test_a_configured_site_is_told_what_it_may_send_and_read(house: Guarded) -> None:
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    async with house.session.options(house.url("/graphql"), headers=asked) as answer:
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == APP
        assert "access-control-allow-credentials" not in answer.headers
    other = asked | {"Origin": "https://evil.example"}
    async with house.session.options(house.url("/graphql"), headers=other) as answer:
        assert answer.status == 400
        assert "access-control-allow-origin" not in answer.headers
    async with house.session.post(
        house.url("/graphql"), headers=JSON | {"Origin": APP}, data=QUERY
    ) as answer:
        assert "RateLimit" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip"])
async def test_answers_are_packed_for_those_who_take_that(house: Guarded, encoding: str) -> None:
    sizes: dict[str, int] = {}
    bodies: list[bytes] = []
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for accepted in ("identity", encoding):
            headers = JSON | {"Accept-Encoding": accepted}
            async with session.post(house.url("/graphql"), headers=headers, data=QUERY) as answer:
                sizes[answer.headers.get("content-encoding", "identity")] = len(await answer.read())
    assert set(sizes) == {"identity", encoding}
    assert sizes[encoding] < sizes["identity"] / 2
    headers = JSON | {"Accept-Encoding": encoding}
    if encoding == "gzip":
        async with house.session.post(house.url("/graphql"), headers=headers, data=QUERY) as answer:
            bodies.append(await answer.read())
        assert b'"kinds"' in bodies[0]
    if encoding == "zstd":
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(house.url("/graphql"), headers=headers, data=QUERY) as answer,
        ):
            packed = await answer.read()
        assert b'"kinds"' in zstandard.ZstdDecompressor().decompressobj().decompress(packed)


async def test_events_are_not_held_back_to_be_packed(house: Guarded) -> None:
    headers = JSON | {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
    async with house.session.post(house.url("/graphql"), headers=headers, data=QUERY) as answer:
        assert "content-encoding" not in answer.headers
        assert b"event: next" in await answer.read()
