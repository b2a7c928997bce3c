"""What nginx lets through, what it refuses and how it says so."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Generator
from pathlib import Path

import aiohttp
import pytest

from tests.deploy.gunicorn_process import running_gunicorn
from tests.deploy.load import ask
from tests.deploy.nginx_process import SERVER_NAME, Nginx, running_nginx
from tests.waiting import eventually_async

WAIT_S = 10.0
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
NO_VALKEY = {"ASSAY_REDIS__URL": "unix:///nowhere"}
"""Nginx is what is asked here; a URL that nobody uses starts no server."""


SETTLED_S = 0.05
"""asyncio closes the connection of a failed handshake a few turns of the loop later."""


@pytest.fixture(scope="module")
def nginx() -> Generator[Nginx]:
    with running_gunicorn(NO_VALKEY) as (_, path), running_nginx(path) as server:
        yield server


async def raw(nginx: Nginx, request: bytes) -> bytes:
    """Send bytes over TLS and return the answer, up to its JSON or the connection's end."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", nginx.https_port, ssl=nginx.tls, server_hostname=SERVER_NAME
    )
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(WAIT_S):
            while not answer.endswith(b"}") and (more := await reader.read(65_536)):
                answer += more
    except ConnectionResetError:
        pass  # how nginx ends a connection that it does not answer (any more)
    finally:
        writer.transport.abort()  # TLS would wait for a farewell
        await gone(writer)
    return answer


async def gone(writer: asyncio.StreamWriter) -> None:
    """Return when the connection is closed, so that no test leaves one to the next."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(WAIT_S):
            await writer.wait_closed()


async def test_the_app_sees_the_clients_scheme_host_and_address(nginx: Nginx) -> None:
    lie = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "gopher"}
    async with (
        aiohttp.ClientSession() as session,
        ask(session, nginx, "/graphql", data=b"x" * 300_000, headers=lie) as response,
    ):
        seen = await response.json()
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Server" not in response.headers or response.headers["Server"] == "nginx"
    assert seen["scheme"] == "https"
    assert seen["host"] == f"{SERVER_NAME}:{nginx.https_port}"
    assert seen["client"] == "127.0.0.1"
    assert seen["bytes"] == 300_000


async def test_plain_http_is_sent_to_https_and_stays_a_post(nginx: Nginx) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://127.0.0.1:{nginx.http_port}/graphql",
            headers={"Host": SERVER_NAME},
            allow_redirects=False,
        ) as response,
    ):
        assert response.status == 308
        assert response.headers["Location"] == f"https://{SERVER_NAME}/graphql"


async def test_a_foreign_host_gets_no_answer(nginx: Nginx) -> None:
    assert await raw(nginx, b"GET / HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n") == b""
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(
            "127.0.0.1", nginx.https_port, ssl=nginx.tls, server_hostname="elsewhere.test"
        )
    await asyncio.sleep(SETTLED_S)


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: assay.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: assay.test\r\nContent-Length: 4\r\n" + CHUNKED,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: assay.test\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
    ],
    ids=["two lengths", "length and chunks", "no host", "header of 9 kB"],
)
async def test_a_malformed_request_is_a_400_in_json(nginx: Nginx, head: bytes) -> None:
    answer = await raw(nginx, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    if answer.endswith(b"}"):
        assert json.loads(answer.split(b"\r\n\r\n")[1])["status"] == 400


async def test_a_body_too_large_is_a_413_in_json(nginx: Nginx) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: assay.test\r\nContent-Length: 9000000\r\n\r\n"
    answer = await raw(nginx, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    problem = json.loads(answer.split(b"\r\n\r\n")[1])
    assert problem["errors"][0]["extensions"]["code"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize("request_line", ["POST /batches?name=x", "PATCH /batches/ab2/upload"])
async def test_a_file_is_passed_on_while_it_arrives(request_line: str, nginx: Nginx) -> None:
    head = f"{request_line} HTTP/1.1\r\nHost: assay.test\r\nContent-Length: 9000000000\r\n\r\n"
    answer = await raw(nginx, head.encode() + b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.split(b"\r\n\r\n")[1]) == {"bytes": 1000}


async def test_old_tls_is_refused(nginx: Nginx) -> None:
    old = ssl.create_default_context()
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(
            "127.0.0.1", nginx.https_port, ssl=old, server_hostname=SERVER_NAME
        )
    await asyncio.sleep(SETTLED_S)


async def test_a_client_slow_with_its_headers_is_cut_off(nginx: Nginx) -> None:
    answer = await raw(nginx, b"GET / HTTP/1.1\r\nHost: assay.test\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


async def test_no_log_holds_a_query_string(nginx: Nginx) -> None:
    async with (
        aiohttp.ClientSession() as session,
        ask(session, nginx, "/graphql?secret=canary") as response,
    ):
        assert response.status == 200
    assert await eventually_async(lambda: '"path":"/graphql"' in nginx.log("access.log"))
    assert "canary" not in nginx.log("access.log") + nginx.log("error.log")


async def test_without_gunicorn_there_is_a_502_in_json_and_then_a_429(tmp_path: Path) -> None:
    with running_nginx(tmp_path / "absent.sock", requests_per_s=1) as nginx:
        seen: set[tuple[int, str | None, str]] = set()
        async with aiohttp.ClientSession() as session:
            for _ in range(240):
                async with ask(session, nginx, "/readyz?secret=canary") as response:
                    problem = await response.json(content_type="application/problem+json")
                    code = problem["errors"][0]["extensions"]["code"]
                    seen.add((response.status, response.headers.get("Retry-After"), code))
        assert seen == {(502, "2", "UPSTREAM_DOWN"), (429, "1", "TOO_MANY_REQUESTS")}
        assert await eventually_async(lambda: '"status":429' in nginx.log("access.log"))
        assert "canary" not in nginx.log("access.log") + nginx.log("error.log")
