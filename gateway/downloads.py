"""`GET /batches/{id}/results.csv|.ndjson|.parquet`: the results of a batch as a file.

Each refusal is typed JSON, as those of /graphql. What goes wrong once the file has begun cuts the
connection, so that nobody takes half a file for a whole one.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from access.scope import Scope as May
from batches.batch import Batch
from batches.csv_out import CsvDialect, CsvWriter
from batches.decided import Decode, Wanted
from batches.errors import NoSuchBatch, StoreError
from batches.export import Export, Writer
from batches.given import unpacked_layout
from batches.ndjson_out import NdjsonWriter
from batches.shapes import own_of
from checks.kinds import KindModule
from gateway.admission import Admission
from gateway.asked import Refusal
from gateway.stopping import stop_of
from verdicts.reason import ReasonCode
from verdicts.verdict import Status

if TYPE_CHECKING:
    from batches.store import Store

PATH = "/batches/{batch_id}/results.{format}"
AGAIN_S = 5
"""When to try again what the store could not do."""
DOWNLOADS_MAX = 16
"""Files that a process gives out at once; each has a thread and some chunks of results."""
PARAMETERS = frozenset({"status", "reason", "kind", "dialect", "wait"})
_SWITCH: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}
_log = logging.getLogger(__name__)
E = TypeVar("E", bound=Enum)


class Form(Enum):
    """A form of file, by how its name ends."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES: Mapping[Form, str] = {
    Form.CSV: "text/csv; charset=utf-8; header=present",
    Form.NDJSON: "application/x-ndjson",
    Form.PARQUET: "application/vnd.apache.parquet",
}
assert set(MEDIA_TYPES) == set(Form), "every form has its media type"
PACKABLE = frozenset({Form.CSV, Form.NDJSON})
"""Forms that gzip makes smaller; Parquet packs itself."""


class Sources(Struct, frozen=True):
    """What a download is made of: the store, how its results are read, the kinds that there are."""

    store: "Store"
    decode: Decode
    kinds: Sequence[KindModule]


class _Stopped(Exception):
    """The server stops while a file waits for more: it is cut off, and not taken for whole."""


class _Places(Struct):
    """How many files are given out."""

    taken: int = 0


class _Download(StreamingResponse):
    """A file on its way, which holds one of `places` until it ends, or until `stop`."""

    def __init__(
        self,
        parts: AsyncGenerator[bytes],
        headers: Mapping[str, str],
        media_type: str,
        places: _Places,
        stop: asyncio.Event | None,
        stay: Callable[[Callable[[], None]], Callable[[], None]],
    ) -> None:
        super().__init__(parts, headers=headers, media_type=media_type)
        self._places = places
        self._stop = stop
        self._stay = stay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raise what cuts it off."""
        self._places.taken += 1
        sent_out = asyncio.Event()
        left = self._stay(sent_out.set)
        tasks: list[asyncio.Task[object]] = []
        try:
            tasks.append(asyncio.create_task(super().__call__(scope, receive, send)))
            tasks.append(asyncio.create_task(sent_out.wait()))
            if self._stop is not None:
                tasks.append(asyncio.create_task(self._stop.wait()))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                raise _Stopped
            await tasks[0]
        finally:
            self._places.taken -= 1
            left()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Downloads:
    """Answers downloads out of what `sources` returns for each request."""

    def __init__(self, sources: Callable[[], Awaitable[Sources]], admission: Admission) -> None:
        """Call `sources` when a request comes that `admission` lets in, and not before."""
        self._sources = sources
        self._admission = admission
        self._places = _Places()

    def routes(self) -> list[Route]:
        """Return the addresses of all forms."""
        return [Route(PATH, self.answer, methods=["GET"])]

    async def answer(self, request: Request) -> Response:
        """Answer one request with a file that is sent while it is written."""
        try:
            return await self._answered(request)
        except Refusal as refusal:
            error = {"message": refusal.message, "extensions": {"code": refusal.code}}
            headers = {name.decode(): value.decode() for name, value in refusal.headers}
            return JSONResponse(
                {"errors": [error]}, refusal.status, {"Cache-Control": "no-store", **headers}
            )

    async def _answered(self, request: Request) -> Response:
        principal = await self._admission.with_scope(request.scope, May.BATCH_READ)
        form = _form(request.path_params["format"])
        try:
            sources = await self._sources()
            names = [module.KIND.name for module in sources.kinds]
            wanted, dialect, wait = _asked(request, names)
            batch = await sources.store.batch(principal.tenant, request.path_params["batch_id"])
        except NoSuchBatch as error:
            raise Refusal(404, "NOT_FOUND", f"{error}.") from None
        except StoreError as error:
            _log.warning("download refused", extra={"error": type(error).__name__})
            raise Refusal(
                503,
                "UNAVAILABLE",
                "The store of batches does not answer. Ask again soon.",
                {"retry-after": str(AGAIN_S)},
            ) from None
        packs = form in PACKABLE and _takes_gzip(request.headers.get("accept-encoding", ""))
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{batch.id}.{form.value}"',
            "X-Content-Type-Options": "nosniff",
        }
        if form in PACKABLE:
            headers["Vary"] = "Accept-Encoding"
        if packs:
            headers["Content-Encoding"] = "gzip"
        if request.method == "HEAD":
            return Response(headers=headers, media_type=MEDIA_TYPES[form])
        if self._places.taken >= DOWNLOADS_MAX:
            raise Refusal(
                503,
                "BUSY",
                f"{DOWNLOADS_MAX} files are being downloaded. Try again.",
                {"retry-after": str(AGAIN_S)},
            )
        export = Export(
            sources.store,
            sources.decode,
            batch,
            partial(_writer, form, batch, sources.kinds, dialect),
            wanted,
            wait=wait,
            gzip=packs,
        )
        return _Download(
            _told(export.parts(), batch.id),
            headers,
            MEDIA_TYPES[form],
            self._places,
            stop_of(request.scope) if wait else None,
            partial(self._admission.stay, principal),
        )


def _writer(form: Form, batch: Batch, kinds: Sequence[KindModule], dialect: CsvDialect) -> Writer:
    """Return what writes `form`. Takes time with Parquet: call it in a thread."""
    layout = unpacked_layout(batch.layout)
    mapping, own = layout.mapping, own_of(layout)
    fields = [kind.KIND.name for kind in kinds] if mapping is None else mapping.fields
    if form is Form.CSV:
        return CsvWriter(own, fields, dialect)
    if form is Form.NDJSON:
        return NdjsonWriter(own, fields, kinds)
    from batches.parquet_out import ParquetWriter  # noqa: PLC0415 - see there

    return ParquetWriter(own, fields)


async def _told(parts: AsyncGenerator[bytes], batch_id: str) -> AsyncGenerator[bytes]:
    """Yield `parts`, and log why they end too early."""
    try:
        async for part in parts:
            yield part
    except (NoSuchBatch, StoreError) as error:
        _log.warning(
            "download broken off", extra={"batch": batch_id, "error": type(error).__name__}
        )
        raise
    finally:
        await parts.aclose()


def _form(name: str) -> Form:
    try:
        return Form(name)
    except ValueError:
        forms = ", ".join(f"results.{form.value}" for form in Form)
        raise Refusal(
            404, "NO_SUCH_FORM", f"There is no results.{name}; ask for {forms}."
        ) from None


def _asked(request: Request, kinds: Collection[str]) -> tuple[Wanted, CsvDialect, bool]:
    """Return what the query string asks for.

    Raises:
        Refusal: a parameter or a value that there is not.
    """
    unknown = sorted(set(request.query_params) - PARAMETERS)
    if unknown:
        raise _bad(f"There is no parameter {unknown[0]!r}; there are {_listed(PARAMETERS)}.")
    chosen = frozenset(_texts(request, "kind"))
    for name in chosen - set(kinds):
        raise _bad(f"kind={name}: there is no such kind; there are {_listed(kinds)}.")
    wanted = Wanted(
        frozenset(_members(request, "status", Status)),
        frozenset(_members(request, "reason", ReasonCode)),
        chosen,
    )
    dialects = _members(request, "dialect", CsvDialect, str.lower) or [CsvDialect.SAFE]
    wait = request.query_params.get("wait", "false").lower()
    if wait not in _SWITCH:
        raise _bad(f"wait={wait}: say true or false.")
    return wanted, dialects[-1], _SWITCH[wait]


def _texts(request: Request, name: str) -> list[str]:
    """Return the values of a parameter, which may be given again and may hold commas."""
    given = request.query_params.getlist(name)
    return [text.strip() for one in given for text in one.split(",") if text.strip()]


def _members(
    request: Request, name: str, enum: type[E], spelled: Callable[[str], str] = str.upper
) -> list[E]:
    found: list[E] = []
    for text in _texts(request, name):
        try:
            found.append(enum(spelled(text)))
        except ValueError:
            known = _listed([member.value for member in enum])
            raise _bad(f"{name}={text}: there is none of this name; there are {known}.") from None
    return found


def _bad(message: str) -> Refusal:
    return Refusal(400, "BAD_INPUT", message)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _takes_gzip(accepts: str) -> bool:
    """Tell whether an Accept-Encoding takes gzip (RFC 9110, section 12.5.3)."""
    for part in accepts.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name == "gzip":
            return not any(one.replace(" ", "") in _REFUSED for one in parameters)
    return False


_REFUSED = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})
