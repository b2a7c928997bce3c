"""A page of somebody else's can't reach Assay by a name that it had rebound."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from gateway.app import app_of
from tests.assay_process import Sections, living, sections
from tests.gateway.http_client import Client, served

ROUTES = ["/graphql?query={__typename}", "/graphql", "/", "/healthz", "/readyz", "/assets/x", "/x"]
OURS = [
    *("localhost", "localhost:8000", "LocalHost.", "127.0.0.1", "127.0.0.1:8000", "127.9.8.7"),
    *("[::1]", "[::1]:8000", "192.0.2.7:80", "[2001:db8::7]", "assay.example", "ASSAY.example:443"),
]
FOREIGN = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
    *(
        "assay.example.evil.example",
        "sub.assay.example",
        "evil.example@localhost",
        "localhost@evil",
    ),
    *("2130706433", "0x7f.1", "127.1", "[evil.example]", "[::1", "localhost:port", "localhost/x"),
    *("a b", "", "*", "xn--e1afmkfd", "lоcalhost".encode().decode("latin-1")),
]


@asynccontextmanager
async def serving(valkey_url: str, **gateway: Any) -> AsyncGenerator[Client]:  # noqa: ANN401 - settings
    async with living(sections(None, valkey_url, gateway=gateway)) as assay:
        app = await asyncio.to_thread(app_of, assay.assembly)  # it reads its files
        async with served(app) as client:
            yield client


def get(target: str, *hosts: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", *(f"Host: {host}" for host in hosts), "Connection: close"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


async def test_only_our_names_are_answered(valkey_url: str) -> None:
    async with serving(valkey_url, hosts=["Assay.example"]) as client:
        for host in OURS:
            assert (await client.raw(get("/healthz", host))).status == 200, host
        for host in FOREIGN:
            answer = await client.raw(get("/healthz", host))
            assert (answer.status, answer.code) == (421, "HOST_NOT_ALLOWED"), host
            assert host == "" or host not in answer.json["errors"][0]["message"].split()


@pytest.mark.parametrize("target", ROUTES)
async def test_every_route_refuses_a_foreign_name(target: str, valkey_url: str) -> None:
    async with serving(valkey_url) as client:
        answer = await client.raw(get(target, "evil.example"))
        assert (answer.status, answer.code) == (421, "HOST_NOT_ALLOWED")
        assert "gateway.hosts" in answer.json["errors"][0]["message"]


async def test_an_operation_for_a_foreign_name_is_not_run(valkey_url: str) -> None:
    async with serving(valkey_url) as client:
        body = b'{"query": "{ providers { name } }"}'
        head = (
            "POST /graphql HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = await client.raw(head.encode() + body)
        assert (answer.status, answer.code) == (421, "HOST_NOT_ALLOWED")
        assert b"zerobounce" not in answer.body


@pytest.mark.parametrize("hosts", [(), ("localhost", "evil.example"), ("localhost", "localhost")])
async def test_no_host_and_two_are_a_bad_request(hosts: tuple[str, ...], valkey_url: str) -> None:
    async with serving(valkey_url) as client:
        assert (await client.raw(get("/healthz", *hosts))).status == 400


async def test_the_name_to_listen_on_is_ours_and_a_star_stands_for_all(valkey_url: str) -> None:
    async with serving(valkey_url, host="box.example") as client:
        assert (await client.raw(get("/healthz", "box.example:8000"))).status == 200
        assert (await client.raw(get("/healthz", "evil.example"))).status == 421
    async with serving(valkey_url, hosts=["*"]) as client:
        assert (await client.raw(get("/healthz", "evil.example"))).status == 200


async def test_a_proxy_on_a_unix_socket_names_whom_it_serves(valkey_url: str) -> None:
    given: Sections = sections(None, valkey_url)
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        path = str(Path(folder) / "s")
        async with living(given) as assay:
            app = await asyncio.to_thread(app_of, assay.assembly)
            config = uvicorn.Config(app, uds=path, log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            task = asyncio.create_task(server.serve())
            async with asyncio.timeout(10):
                while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
                    await asyncio.sleep(0.01)
            connector = aiohttp.UnixConnector(path)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get("http://whoever.example/healthz") as answer,
            ):
                assert answer.status == 200
            server.should_exit = True
            await task
