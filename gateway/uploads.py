"""Files over HTTP: `POST /batches` makes a batch of one, `/batches/{id}/upload` goes on with it.

Where a connection broke, either the same request with the same `Idempotency-Key` goes on, the file
from its beginning; or `HEAD` tells by `Upload-Offset` how much is kept, and `PATCH` with that
header sends the rest. The headers are those of the IETF's draft on resumable uploads
(draft-ietf-httpbis-resumable-upload); a refusal is typed JSON as everywhere.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial
from secrets import token_hex
from typing import Any

import orjson
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from access.allowance import Allowance, OverLimit
from access.scope import Scope as May
from batches.batch import Batch, State
from batches.errors import BatchError, OffsetMismatch, StoreError
from batches.ingest import Ingest, TooManyUploads, upload_of
from batches.source.errors import SourceError
from gateway.admission import QUOTA_EXHAUSTED, Admission
from gateway.asked import Refusal
from gateway.hosts import Origins
from gateway.upload_answers import Problem, answered, headers_of, problem_of
from gateway.upload_request import Sent, offset_of, sent_by, told_by
from providers.egress import Gate
from schema.lane.errors import INTERNAL, origin
from verdicts.outcome import MILLION

BATCHES = "/batches"
UPLOAD = "/batches/{id}/upload"
IDLE_S = 60.0
"""The longest that a client may send nothing."""
PACE_BYTES_PER_S_MIN = 1024
"""Slower than this on average, after `IDLE_S`, nobody may be: each upload holds a place."""
LINGER_BYTES_MAX = 64 << 20
LINGER_S = 5.0
"""So much is still read of a body once it is answered: with a connection that is closed at once,
a client that still sends would lose the answer."""

_log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client went away before its body was whole."""


class _Incoming:
    """The body of one request."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        self._receive = receive
        # asking for a body makes such a client send it
        self.begun = headers.get("expect", "").lower() != "100-continue"
        self.whole = (
            headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        )
        self._size = 0

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives.

        Raises:
            Refusal: 408, the client is too slow.
            _Gone: it went away.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not self.whole:
            slowest = begun + IDLE_S + self._size / PACE_BYTES_PER_S_MIN
            piece = await self._next(min(loop.time() + IDLE_S, slowest))
            if piece:
                yield piece

    async def linger(self) -> None:
        """Read what the client sends of a body that nobody wants, for a short time."""
        if not self.begun or self.whole:
            return
        end = asyncio.get_running_loop().time() + LINGER_S
        most = self._size + LINGER_BYTES_MAX
        with suppress(Refusal, _Gone):
            while not self.whole and self._size < most:
                await self._next(end)

    async def _next(self, until: float) -> bytes:
        self.begun = True
        try:
            async with asyncio.timeout_at(until):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(
                408,
                "REQUEST_TIMEOUT",
                f"Nothing, or too little, arrived for {IDLE_S:g} s. What was whole is kept: go on.",
            ) from None
        if message["type"] == "http.disconnect":
            raise _Gone
        self.whole = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self._size += len(piece)
        return piece


class Uploads:
    """Answers `/batches` and `/batches/{id}/upload`.

    `ingest` is called for each request; `admission` tells whose it is.
    `origins` are the pages whose files are taken. `currency` is that of cost caps; `sandbox` tells
    whether one runs, `gate` which addresses a webhook may have, if any are told.
    """

    def __init__(
        self,
        ingest: Callable[[], Awaitable[Ingest]],
        admission: Admission,
        origins: Origins,
        *,
        currency: str,
        sandbox: bool,
        gate: Gate | None = None,
    ) -> None:
        self._ingest = ingest
        self._admission = admission
        self._origins = origins
        self._currency = currency
        self._sandbox = sandbox
        self._gate = gate

    def routes(self) -> list[Route]:
        """Return the addresses that this answers."""
        return [Route(BATCHES, self), Route(UPLOAD, self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        request = _Request(scope["method"], headers, _Incoming(receive, headers), send)
        try:
            if not self._origins.allow(scope["headers"]):
                raise Refusal(403, "CROSS_ORIGIN", "Files are not taken from pages of other sites.")
            principal = await self._admission.with_scope(scope, May.BATCH_WRITE)
            request.tenant = principal.tenant
            request.allowance = self._admission.allowance(principal)
            request.ingest = await self._ingest()
            batch_id: str | None = scope.get("path_params", {}).get("id")
            if batch_id is None:
                await self._create(request, scope["query_string"])
            else:
                await _go_on(request, batch_id)
        except _Gone:
            await request.left(forget=not headers.get("idempotency-key"))
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach a client unmasked
            await request.refuse(error)

    async def _create(self, request: "_Request", query: bytes) -> None:
        if request.method not in {"POST", "PUT"}:
            raise Refusal(
                405, "METHOD_NOT_ALLOWED", "Send the file by POST or PUT.", {"allow": "POST, PUT"}
            )
        told = told_by(query, request.headers, request.tenant, self._currency, self._gate)
        if told.new.sandbox and not self._sandbox:
            raise Refusal(
                400, "SANDBOX_OFF", "No sandbox runs here; start Assay with --sandbox, or leave it."
            )
        created = await request.ingest.create(told.new, told.upload)
        request.batch = created.batch
        batch = await request.take(created.batch, told.sent)
        await request.answer(201 if created.anew else 200, batch)


async def _count(allowance: Allowance, records: int) -> None:
    try:
        await allowance.records(records)
    except OverLimit as over:
        raise Refusal(
            429,
            QUOTA_EXHAUSTED,
            f"This key may send {allowance.left.records} records more today, and more follow in the"
            " file. What was taken is kept: go on after midnight UTC.",
            {"retry-after": str(math.ceil(over.retry_after_s))},
        ) from None


async def _go_on(request: "_Request", batch_id: str) -> None:
    ingest = request.ingest
    batch = await ingest.store.batch(request.tenant, batch_id)
    upload_of(batch)
    if request.method == "HEAD":
        await _respond(request.send, 204, None, headers_of(batch))
        return
    if request.method == "PATCH":
        request.batch = batch
        offset = offset_of(request.headers)
        sent = sent_by(request.headers, again=False)
        if offset != batch.offset:
            raise OffsetMismatch(batch_id, batch.offset)
        batch = await request.take(batch, sent)
    elif request.method != "GET":
        raise Refusal(
            405,
            "METHOD_NOT_ALLOWED",
            "HEAD and GET tell how much is kept, PATCH sends the rest.",
            {"allow": "GET, HEAD, PATCH"},
        )
    await request.answer(200, batch)


class _Request:
    """One request, and the batch that it is about as soon as there is one."""

    ingest: Ingest
    tenant: str
    allowance: Allowance | None = None

    def __init__(
        self, method: str, headers: Mapping[str, str], body: _Incoming, send: Send
    ) -> None:
        self.method = method
        self.headers = headers
        self.body = body
        self.send = send
        self.batch: Batch | None = None

    async def take(self, batch: Batch, sent: Sent) -> Batch:
        """Take the body into `batch`, as much as the caller's allowance lets it.

        Raises:
            Refusal: 429, the caller may send, or spend, no more today.
        """
        allowance = self.allowance
        if allowance is None:
            return await self.ingest.take(batch, self.body.pieces(), sent)
        cap = batch.cost_cap_millionths if batch.state is State.DRAFT else 0
        left = await allowance.reserve(cap)
        if left is not None:
            raise Refusal(
                429,
                QUOTA_EXHAUSTED,
                f"This key may spend {Decimal(left) / MILLION:f} more today: give the batch a"
                " cost cap of that or less.",
            )
        unspent = cap or 0
        try:
            body, count = self.body.pieces(), partial(_count, allowance)
            taken = await self.ingest.take(batch, body, sent, count)
            if taken.state not in {State.DRAFT, State.CAPPED}:
                unspent = 0
        finally:
            await allowance.spend(-unspent)
        return taken

    async def answer(self, status: int, batch: Batch) -> None:
        """Tell where the file stands."""
        store = self.ingest.store
        errors = await store.row_errors(batch.tenant, batch.id) if batch.row_errors else ()
        await self._end(status, answered(batch, errors), headers_of(batch))

    async def refuse(self, error: Exception) -> None:
        """Tell what is wrong, and how much is kept all the same."""
        problem = problem_of(error)
        extensions: dict[str, Any] = {}
        if problem is None:
            id_ = token_hex(8)
            _log.error("upload failed", extra={"id": id_, **origin(error)})
            problem = Problem(500, INTERNAL, f"Internal error; quote id {id_}")
            extensions["id"] = id_
        headers: dict[str, str] = {}
        if isinstance(error, Refusal):
            headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in error.headers
            }
        if problem.retry_after_s is not None:
            headers["retry-after"] = str(problem.retry_after_s)
        unheard = isinstance(error, TooManyUploads) and not self.headers.get("idempotency-key")
        batch = await self.left(forget=isinstance(error, SourceError) or unheard)
        if batch is not None:
            headers |= headers_of(batch)
            extensions |= {"batchId": batch.id, "offset": batch.offset}
        said = {"message": problem.message, "extensions": {"code": problem.code, **extensions}}
        content = None if self.method == "HEAD" else {"errors": [said]}
        await self._end(problem.status, content, headers)

    async def left(self, *, forget: bool) -> Batch | None:
        """Return the batch as it is now, if there is one.

        One that was to be made here, and holds nothing yet, is removed if it is to be forgotten:
        nobody would ever hear of it, or its key would stand for a file that can't be taken.
        """
        if self.batch is None:
            return None
        store = self.ingest.store
        with suppress(BatchError, StoreError):
            batch = await store.batch(self.batch.tenant, self.batch.id)
            if not forget or self.method == "PATCH" or batch.offset or batch.records:
                return batch
            await store.delete(batch.tenant, batch.id)
        return None

    async def _end(self, status: int, content: object, headers: Mapping[str, str]) -> None:
        if self.body.whole:
            await _respond(self.send, status, content, headers)
            return
        # the answer is whole for the client, but not for the server, which would close
        await _respond(
            self.send, status, content, {**headers, "connection": "close"}, more_body=True
        )
        await self.body.linger()
        await self.send({"type": "http.response.body", "body": b""})


async def _respond(
    send: Send,
    status: int,
    content: object,
    headers: Mapping[str, str],
    *,
    more_body: bool = False,
) -> None:
    body = b"" if content is None else orjson.dumps(content)
    start = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    start.append((b"cache-control", b"no-store"))
    if content is not None:
        start.append((b"content-type", b"application/json; charset=utf-8"))
    if status != 204:  # noqa: PLR2004 - which has no body, and says so
        start.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": more_body})
