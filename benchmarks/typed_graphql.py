"""What typed GraphQL costs beside a bare handler that sends the same bytes.

Everything is known in the process already, so that nothing but the schema, the lane and the
endpoint is measured: `python benchmarks/typed_graphql.py [--rounds 7]`. CPU time, not wall time, in
alternating pairs; the servers run on CPU 0, the load on CPU 1 where the system lets us choose.
(Not called graphql.py: it would hide the library of that name from every script beside it.)
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
import strawberry
import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Scope

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]  # run as a script, from anywhere

from gateway.endpoint import Endpoint  # noqa: E402 - the line above finds it
from schema.lane.schema import FastSchema  # noqa: E402
from schema.lane.selecting import selected  # noqa: E402
from schema.records import RecordInput  # noqa: E402
from schema.verdicts import VERDICT_TYPES, ValidatePayload  # noqa: E402
from verdicts.reason import ReasonCode, because  # noqa: E402
from verdicts.verdict import EmailDomain, EmailVerdict, RecordResult, Source, Status  # noqa: E402

SIZES = (1, 100, 1_000)
ROUND_REQUESTS = {1: 1_500, 100: 400, 1_000: 60}
QUERY = """mutation Validate($records: [RecordInput!]!) {
  validate(records: $records) {
    results {
      ref index status
      email { input normalized status source decidedAt reasons { code message retryable } }
    }
  }
}"""
"""Eleven fields a record."""


class Prepared(Struct):
    """What the toy resolver returns, and its context."""

    results: list[RecordResult]


def results(size: int) -> list[RecordResult]:
    """Return `size` results, every second one with a reason."""
    now = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    reasons = (because(ReasonCode.ROLE_ACCOUNT, "role"),)
    made: list[RecordResult] = []
    for index in range(size):
        risky = index % 2
        address = f"person.{index}@example.com"
        status = Status.RISKY if risky else Status.VALID
        email = EmailVerdict(
            "email",
            address,
            address,
            status,
            reasons if risky else (),
            (),
            now,
            None,
            Source.CACHE,
            EmailDomain("example.com", disposable=False),
        )
        made.append(RecordResult(ref=str(index), index=index, status=status, email=email))
    return made


RESULTS = {size: Prepared(results(size)) for size in SIZES}


def body(size: int) -> bytes:
    """Return the request of `size` records."""
    records = [{"ref": str(i), "email": f"person.{i}@example.com"} for i in range(size)]
    return orjson.dumps({"query": QUERY, "variables": {"records": records}})


@strawberry.type
class Query:
    """A root, as every schema has."""

    @strawberry.field
    def name(self) -> str:
        """Return a text."""
        return "toy"


@strawberry.type
class Mutation:
    """The real types over a resolver that has its answer ready."""

    @strawberry.mutation(graphql_type=ValidatePayload)
    async def validate(
        self, info: strawberry.Info[None, None], records: list[RecordInput]
    ) -> Prepared:
        """Return what was prepared for this number of records."""
        assert "results.email" in selected(info).paths
        return RESULTS[len(records)]


def lane_schema() -> FastSchema:
    """Return the schema under test."""
    return FastSchema(Query, Mutation, types=VERDICT_TYPES)


async def _no_context(_scope: Scope) -> None:
    return None


async def bare(request: Request) -> Response:
    """Answer the same bytes by hand."""
    asked = orjson.loads(await request.body())
    found = [
        {
            "ref": result.ref,
            "index": result.index,
            "status": result.status.value,
            "email": {
                "input": email.input,
                "normalized": email.normalized,
                "status": email.status.value,
                "source": email.source.value,
                "decidedAt": email.decided_at.isoformat(),
                "reasons": [
                    {"code": r.code.value, "message": r.message, "retryable": r.retryable}
                    for r in email.reasons
                ],
            },
        }
        for result in RESULTS[len(asked["variables"]["records"])].results
        if (email := result.email) is not None
    ]
    data = {"data": {"validate": {"results": found}}}
    return Response(orjson.dumps(data), media_type="application/json")


def application(name: str) -> ASGIApp:
    """Return the application called `lane` or `bare`."""
    if name == "lane":
        return Endpoint(lane_schema(), _no_context)
    return Starlette(routes=[Route("/", bare, methods=["POST"])])


def serve(name: str) -> None:
    """Serve an application on a free port, which is printed, until killed."""
    _pin(0)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        application(name), loop="uvloop", http="httptools", log_level="error", lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listener])


def _pin(cpu: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > cpu:
        os.sched_setaffinity(0, {cpu})


class Client:
    """One kept connection that sends the same request over and over."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, content: bytes, times: int) -> bytes:
        """Send a body `times` times, one after another, and return the last answer's body."""
        head = (
            "POST / HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        request, answer = head.encode() + content, b""
        for _ in range(times):
            self._socket.sendall(request)
            answer = self._answer()
        return answer

    def _answer(self) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._received()
        head, _, rest = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"the server answered {head.partition(b' ')[2][:40]!r}")
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        missing = int(lengths[0].partition(b":")[2]) - len(rest)
        chunks = [rest]
        while missing > 0:
            chunks.append(self._received())
            missing -= len(chunks[-1])
        return b"".join(chunks)

    def _received(self) -> bytes:
        chunk = self._socket.recv(1 << 18)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        return chunk

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@contextmanager
def server(name: str) -> Generator[tuple[psutil.Process, Client]]:
    """Run a server, and yield its process and a client of it."""
    command = [sys.executable, str(Path(__file__).resolve()), "--serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            client = Client(int(process.stdout.readline()))
            try:
                yield psutil.Process(process.pid), client
            finally:
                client.close()
        finally:
            process.kill()


class Figure(Struct):
    """One measurement: `us` of CPU a request, best of all rounds; `ratio` to bare, the median."""

    way: str
    size: int
    us: float
    bare_us: float
    ratio: float


def over_http(rounds: int) -> list[Figure]:
    """Measure one worker of each sort over HTTP."""
    figures: list[Figure] = []
    with server("lane") as lane, server("bare") as plain:
        _pin(1)
        for size in SIZES:
            content, times = body(size), ROUND_REQUESTS[size]
            assert lane[1].send(content, 50) == plain[1].send(content, 50), "the same bytes"
            pairs = [
                (_cpu_us(lane, content, times), _cpu_us(plain, content, times))
                for _ in range(rounds)
            ]
            figures.append(_figure("HTTP", size, pairs))
    return figures


def _cpu_us(of: tuple[psutil.Process, Client], content: bytes, times: int) -> float:
    process, client = of
    before = process.cpu_times()
    client.send(content, times)
    after = process.cpu_times()
    spent_s = after.user + after.system - before.user - before.system
    return spent_s * 1e6 / times


def _figure(way: str, size: int, pairs: Sequence[tuple[float, float]]) -> Figure:
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    return Figure(way, size, min(o for o, _ in pairs), min(b for _, b in pairs), ratio)


async def in_process(rounds: int) -> list[Figure]:
    """Measure execution alone, and the endpoint as an ASGI application, without a network."""
    _pin(0)
    schema, figures = lane_schema(), list[Figure]()
    endpoint, plain = application("lane"), application("bare")
    for size in SIZES:
        content, times = body(size), max(20, ROUND_REQUESTS[size] // 3)
        variables = orjson.loads(content)["variables"]

        async def execute(variables: Any = variables) -> None:  # noqa: ANN401 - JSON
            await schema.execute(QUERY, variables)

        def asgi(app: ASGIApp, content: bytes = content) -> Callable[[], Awaitable[None]]:
            return lambda: _request(app, content)

        for _ in range(2):
            await execute()
            await asgi(endpoint)()
        both = [
            (await _spent_us(asgi(endpoint), times), await _spent_us(asgi(plain), times))
            for _ in range(rounds)
        ]
        alone = [(await _spent_us(execute, times), bare_us) for _, bare_us in both]
        figures += [_figure("execution", size, alone), _figure("ASGI", size, both)]
    if schema.statistics.replay or schema.statistics.stock > len(SIZES):
        raise ValueError(f"not on the lane: {schema.statistics}")
    return figures


async def _spent_us(run: Callable[[], Awaitable[None]], times: int) -> float:
    before = time.process_time()
    for _ in range(times):
        await run()
    return (time.process_time() - before) * 1e6 / times


async def _request(app: ASGIApp, content: bytes) -> None:
    headers = [
        (b"host", b"localhost"),
        (b"accept", b"application/json"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": headers,
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(_message: Message) -> None:
        pass

    await app(scope, receive, send)


def measure(rounds: int) -> list[Figure]:
    """Measure every way."""
    return [*asyncio.run(in_process(rounds)), *over_http(rounds)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="pairs of measurements (7)")
    parser.add_argument("--serve", choices=["lane", "bare"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    print("| way | records | µs a request | µs a record | bare µs | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for figure in measure(chosen.rounds):
        print(
            f"| {figure.way} | {figure.size:,} | {figure.us:,.1f} | {figure.us / figure.size:.2f}"
            f" | {figure.bare_us:,.1f} | {figure.ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
