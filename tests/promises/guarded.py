"""An Assay that lets nobody in without a key, over real sockets; tenants with keys of their own."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import orjson
from msgspec import Struct

from access.key import UNLIMITED, Limits, NewKey
from access.keys import Keys
from access.scope import EVERYTHING, Scope, Scopes, scopes_of
from access.secret import new_id, new_text
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.store import Store
from gateway.app import app_of
from gateway.assembly import assembled
from gateway.doorkeeper import pepper_of
from gateway.settings import Settings
from gateway.sockets import PROTOCOL
from tests.assay_process import HASH_KEY, sections
from tests.gateway.http_client import served
from tests.sandbox_process import RunningSandbox

OURS, THEIRS = "ours", "theirs"
JSON = {"Content-Type": "application/json"}
WHO = "local:test"
Said = tuple[int | str, Any]
"""A status, or how a WebSocket ended, and the JSON that came."""


class Guarded(Struct):
    """The running gateway, and what makes keys for it."""

    port: int
    session: aiohttp.ClientSession
    store: Store
    keys: Keys

    async def key(
        self,
        tenant: str = OURS,
        scopes: Scopes = EVERYTHING,
        limits: Limits = UNLIMITED,
        expires_at: datetime | None = None,
    ) -> str:
        """Make a key; return its text once it lets somebody in, or never would."""
        new = NewKey(
            tenant=tenant, name="a test", scopes=scopes, limits=limits, expires_at=expires_at
        )
        _, text = await self.keys.create(new, WHO)
        if expires_at is None or expires_at > datetime.now(UTC):
            await self.until_known(text)
        return text

    async def until_known(self, text: str, *, known: bool = True) -> None:
        """Return when a key lets somebody in, or lets nobody in any more."""
        async with asyncio.timeout(20):
            while ((await self.post(text, "{ __typename }"))[0] != 401) is not known:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def post(
        self, key: str | None, query: str, variables: Mapping[str, object] | None = None
    ) -> Said:
        """Ask by POST; return status and JSON."""
        body = orjson.dumps({"query": query, "variables": variables or {}})
        async with self.session.post(
            self.url("/graphql"), data=body, headers=JSON | bearer(key)
        ) as answer:
            return answer.status, orjson.loads(await answer.read())

    async def events(
        self, key: str | None, query: str, variables: Mapping[str, object] | None = None
    ) -> Said:
        """Ask by server-sent events; return the first one that says something."""
        body = orjson.dumps({"query": query, "variables": variables or {}})
        headers = JSON | bearer(key) | {"Accept": "text/event-stream"}
        async with self.session.post(self.url("/graphql"), data=body, headers=headers) as answer:
            if answer.content_type != "text/event-stream":
                return answer.status, orjson.loads(await answer.read())
            async for line in answer.content:
                if line.startswith(b"data: "):
                    return answer.status, orjson.loads(line[len(b"data: ") :])
        return answer.status, None

    async def socket(
        self, key: str | None, query: str, variables: Mapping[str, object] | None = None
    ) -> Said:
        """Ask over a WebSocket, with the key in connection_init; return how it answers."""
        async with self.opened(key) as socket:
            if socket.closed:
                return f"closed {socket.close_code}", None
            payload = {"query": query, "variables": variables or {}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            while True:
                message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return f"closed {socket.close_code}", None
                said = orjson.loads(cast("str", message.data))
                if said["type"] == "next":
                    return "next", said["payload"]
                if said["type"] == "error":
                    return "error", {"errors": said["payload"]}
                return said["type"], None

    @asynccontextmanager
    async def opened(self, key: str | None) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket and begin, where a refusal shows with the next message."""
        async with self.session.ws_connect(self.url("/graphql"), protocols=[PROTOCOL]) as socket:
            await socket.send_json({"type": "connection_init", "payload": bearer(key)})
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                assert orjson.loads(cast("str", message.data)) == {"type": "connection_ack"}
            yield socket

    def url(self, path: str) -> str:
        """Return the address of `path`."""
        return f"http://127.0.0.1:{self.port}{path}"


def bearer(key: str | None) -> dict[str, str]:
    """Return the header that shows `key`."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


async def strangers(house: Guarded, needed: Scope | None) -> dict[str, str | None]:
    """Return credentials that must not be let in, or not to what needs `needed`, by their names."""
    lacking = [one for one in Scope if needed and needed not in scopes_of([one.value])]
    revoked, expired, *others = await asyncio.gather(
        _revoked(house),
        house.key(expires_at=datetime.now(UTC) - timedelta(seconds=1)),
        *(house.key(scopes=scopes_of([scope.value])) for scope in lacking),
    )
    named = zip(lacking, others, strict=True)
    return {
        "no key": None,
        "a made-up key": new_text(new_id()),
        "no key at all": "let me in",
        "a revoked key": revoked,
        "an expired key": expired,
    } | {f"a key with {scope.value} alone": text for scope, text in named}


async def _revoked(house: Guarded) -> str:
    text = await house.key()
    key = next(one for one in await house.keys.listed(OURS) if one.id in text)
    await house.keys.revoke(key.id, WHO)
    await house.until_known(text, known=False)
    return text


@asynccontextmanager
async def guarded(
    folder: Path,
    valkey_url: str,
    *,
    sandbox: RunningSandbox | None = None,
    working: bool = False,
    **more: Mapping[str, Any],
) -> AsyncGenerator[Guarded]:
    """Run Assay on a port of the loopback, with access control; `working` on batches, or not."""
    file = folder / "batches.db"
    given = sections(
        sandbox,
        valkey_url,
        **{"access": {"open": False}, "store": {"url": f"sqlite:///{file}"}, **more},
    )
    given = {**given, "gateway": {"data_dir": str(folder), **given["gateway"]}}
    settings = Settings(**given)  # pyright: ignore[reportArgumentType]
    store = await open_store(StoreSettings(), file)
    try:
        keys = Keys(store.database, pepper_of(settings, HASH_KEY.encode()))
        await keys.create(NewKey(tenant=OURS, name="first", scopes=EVERYTHING), WHO)
        async with assembled(settings) as assembly:
            assembly.batches.start(working=working)
            app = await asyncio.to_thread(app_of, assembly)  # it reads files, as a start does
            async with served(app) as client, aiohttp.ClientSession() as session:
                yield Guarded(client.port, session, store, keys)
    finally:
        await store.close()
