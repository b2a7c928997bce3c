"""Every root field, over every transport, by everybody who must not have it (R18)."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping

import aiohttp
import orjson
from msgspec import Struct

from access.scope import Scope
from batches.batch import Batch, Move, NewBatch
from batches.chunk import NewChunk
from batches.given import packed_records
from batches.source.record import record_class
from gateway.sockets import FORBIDDEN
from schema.permissions import NEEDED
from tests.promises.guarded import JSON, OURS, Guarded, Said, bearer, strangers

NOBODYS = "0123456789abcdef0123456789abcdef"
BATCH = "{ batch { id } errors { code message } }"
CHANGE = f"mutation ($id: ID!) {{ VERB(batchId: $id) {BATCH} }}"
DOCUMENTS: Mapping[str, str] = {
    "Query.__schema": "{ __schema { queryType { name } } }",
    "Query.__type": '{ __type(name: "Query") { name } }',
    "Query.kinds": "{ kinds { name } }",
    "Query.providers": "{ providers { name } }",
    "Query.batch": "query ($id: ID!) { batch(id: $id) { id results { nodes { index } } } }",
    "Query.batches": "{ batches { nodes { id } } }",
    "Query.keys": "{ keys { id } }",
    "Query.auditLog": "{ auditLog { target } }",
    "Mutation.validate": (
        'mutation { validate(records: [{email: "a@b.example"}]) { results { index } } }'
    ),
    "Mutation.createBatch": f"mutation {{ createBatch(input: {{}}) {BATCH} }}",
    "Mutation.addRecords": (
        "mutation ($id: ID!) {"
        f' addRecords(batchId: $id, records: [{{email: "a@b.example"}}]) {BATCH} }}'
    ),
    **{
        f"Mutation.{verb}": CHANGE.replace("VERB", verb)
        for verb in ("startBatch", "pauseBatch", "resumeBatch", "cancelBatch", "retryBatch")
    },
    "Mutation.changeBatch": (
        f'mutation ($id: ID!) {{ changeBatch(batchId: $id, input: {{name: "x"}}) {BATCH} }}'
    ),
    "Mutation.deleteBatch": CHANGE.replace("VERB", "deleteBatch"),
    "Mutation.createKey": (
        'mutation { createKey(input: {name: "x", scopes: [ADMIN]}) { key { id } errors { code } } }'
    ),
    "Mutation.rotateKey": (
        "mutation ($id: ID!) { rotateKey(keyId: $id) { text errors { code message } } }"
    ),
    "Mutation.revokeKey": (
        "mutation ($id: ID!) { revokeKey(keyId: $id) { key { id } errors { code message } } }"
    ),
    "Subscription.batchStatus": "subscription ($id: ID!) { batchStatus(id: $id) { id } }",
    "Subscription.batchResults": "subscription ($id: ID!) { batchResults(id: $id) { index } }",
}
TRANSPORTS = ("post", "events", "socket")
STREAMS = ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0")
SOCKET = "graphql-transport-ws"
FOLLOWED = (SOCKET, *STREAMS)
"""In which ways a subscription is followed."""


class Case(Struct, frozen=True):
    """One field that somebody asked for, and how that was answered."""

    field: str
    how: str
    caller: str
    said: Said

    @property
    def wanted(self) -> str:
        """Why it has to be refused."""
        return "FORBIDDEN" if self.caller.startswith("a key with") else "UNAUTHENTICATED"

    @property
    def is_refused(self) -> bool:
        """Whether it was refused for this reason, and with nothing else."""
        return code_of(self.said) == self.wanted


class Pair(Struct, frozen=True):
    """What is answered about another tenant's object, and about one that is not there."""

    field: str
    how: str
    anothers: Said
    nobodys: Said

    @property
    def is_same(self) -> bool:
        """Whether both are the same, to the byte, and show nothing."""
        shows_nothing = code_of(self.anothers) or _is_nothing(self.anothers)
        return self.anothers == self.nobodys and bool(shows_nothing)


def _is_nothing(said: Said) -> bool:
    (found,) = said[1]["data"].values()
    return found is None or [error["code"] for error in found["errors"]] == ["NOT_FOUND"]


async def asked_for_anothers(house: Guarded, batch: Batch, key: str) -> AsyncGenerator[Pair]:
    """Ask for another tenant's `batch` and `key`, and for such as nobody has."""
    ours = await house.key(OURS)
    (key_id,) = [one.id for one in await house.keys.listed(batch.tenant) if one.id in key]
    for field, document in DOCUMENTS.items():
        if "$id" not in document:
            continue
        id_, other = (key_id, "x" * len(key_id)) if "Key" in field else (batch.id, NOBODYS)
        for how in TRANSPORTS:
            one = await ask(house, how, ours, field, id_)
            two = await ask(house, how, ours, field, other)
            renamed = orjson.loads(orjson.dumps(one).replace(id_.encode(), other.encode()))
            yield Pair(field, how, tuple(renamed), tuple(orjson.loads(orjson.dumps(two))))


async def asked_by_strangers(house: Guarded, id_: str) -> AsyncGenerator[Case]:
    """Ask for each field over each transport, as each sort of stranger."""
    scopes = (None, *Scope)
    found = await asyncio.gather(*(strangers(house, needed) for needed in scopes))
    known = dict(zip(scopes, found, strict=True))
    for field, needed in NEEDED.items():
        for caller, key in known[needed].items():
            for how in transports_of(field):
                yield Case(field, how, caller, await ask(house, how, key, field, id_))


def transports_of(field: str) -> list[str]:
    """Return how a field can be asked for: nobody follows anything by a plain POST."""
    return [how for how in TRANSPORTS if how != "post" or not field.startswith("Subscription")]


async def started(house: Guarded, tenant: str) -> Batch:
    """Make and start a batch of two records."""
    record = record_class((), strict=True)
    chunk = NewChunk(2, packed_records([record(email=f"{n}@x.example") for n in range(2)]))
    made = (await house.store.create(NewBatch(tenant=tenant), [chunk])).batch
    return await house.store.move(tenant, made.id, Move.START)


async def ask(house: Guarded, how: str, key: str | None, field: str, id_: str) -> Said:
    """Ask for `field` over one of TRANSPORTS."""
    document = DOCUMENTS[field]
    variables = {"id": id_} if "$id" in document else {}
    asking = {"post": house.post, "events": house.events, "socket": house.socket}[how]
    return await asking(key, document, variables)


def code_of(said: Said) -> object:
    """Return why something was refused; None where it was not."""
    how, answer = said
    if answer is None:
        return {f"closed {FORBIDDEN}": "UNAUTHENTICATED", "complete": None, 200: None}.get(how, how)
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors and not answer.get("data") else None


async def revoke(house: Guarded, text: str) -> None:
    (id_,) = [key.id for key in await house.keys.listed() if key.id in text]
    await house.keys.revoke(id_, "local:test")


async def sent_out_s(house: Guarded, how: str, wait_s: float) -> float:
    """Follow a batch, revoke the key meanwhile; return the seconds until that is ended.

    Raises:
        TimeoutError: it is not, within `wait_s`.
    """
    running = await started(house, OURS)
    key = await house.key()
    asked = {"query": DOCUMENTS["Subscription.batchStatus"], "variables": {"id": running.id}}
    if how == SOCKET:
        async with house.opened(key) as socket:
            await socket.send_json({"id": "1", "type": "subscribe", "payload": asked})
            await socket.receive()
            began = await _revoked_at(house, key)
            async with asyncio.timeout(wait_s):
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
            assert socket.close_code == FORBIDDEN
        return time.monotonic() - began
    headers = JSON | bearer(key) | {"Accept": how}
    async with house.session.post(
        house.url("/graphql"), data=orjson.dumps(asked), headers=headers
    ) as answer:
        read = b""
        while running.id.encode() not in read:
            read += await answer.content.readany()
        began = await _revoked_at(house, key)
        async with asyncio.timeout(wait_s):
            assert b"UNAUTHENTICATED" in await answer.content.read()
    return time.monotonic() - began


async def _revoked_at(house: Guarded, key: str) -> float:
    await revoke(house, key)
    return time.monotonic()
