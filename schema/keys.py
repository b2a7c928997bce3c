"""Keys and the audit log, as administrators of a tenant see them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, cast

import strawberry

from access.audit_entry import Act
from access.scope import MEANINGS, Scope
from resolvers import keys
from resolvers.context import Context
from resolvers.keys import KeyChanged, KeyProblem
from schema.enums import describe
from schema.scalars import Duration

Info = strawberry.Info[Context, None]
Id = strawberry.ID
Overlap = Annotated[
    Duration | None,
    strawberry.argument(description="How long the secret before it stays good, such as `P1D`."),
]
First = Annotated[int, strawberry.argument(description="How many entries at most, up to 200.")]
Before = Annotated[
    int | None, strawberry.argument(description="Only entries with a lower `number` than this.")
]

strawberry.enum(Scope, name="Scope", description="What a key may do.")
describe(Scope, {scope: f"It may {meaning}." for scope, meaning in MEANINGS.items()})
strawberry.enum(KeyProblem, name="KeyErrorCode", description="What you can act on.")
describe(
    KeyProblem,
    {
        KeyProblem.NOT_FOUND: "There is no key of this id.",
        KeyProblem.REVOKED: "The key is revoked, and stays so.",
        KeyProblem.KEY_USED: "The idempotency key made a key before; the message says which.",
        KeyProblem.BAD_INPUT: "A field of the input makes no sense; `field` says which.",
        KeyProblem.UNAVAILABLE: "Keys cannot be changed now; try again soon.",
    },
)
strawberry.enum(Act, name="AuditAct", description="What may be done that is kept in the log.")
describe(
    Act,
    {
        Act.KEY_CREATED: "A key was made.",
        Act.KEY_ROTATED: "A key was given another secret.",
        Act.KEY_REVOKED: "A key was revoked.",
        Act.VALUE_FORGOTTEN: "What was known about a value was removed.",
    },
)


@strawberry.type(description="A key that lets its holder in. Its secret is never shown again.")
class ApiKey:
    """See resolvers.keys.KeyView."""

    id: strawberry.ID = strawberry.field(
        description="Its id, which stands in the key itself, behind `assay_`."
    )
    name: str = strawberry.field(description="Its name, for people.")
    scopes: list[Scope] = strawberry.field(description="What it may do.")
    live: bool = strawberry.field(description="Whether it is neither revoked nor expired.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it expires, if ever.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")
    networks: list[str] = strawberry.field(
        description="From where it may be used; empty is from anywhere."
    )
    requests_per_second: float | None = strawberry.field(
        description="How many requests it may make a second; null is as many as it likes."
    )
    records_per_day: int | None = strawberry.field(
        description="How many records it may send in a day of UTC; null is as many as it likes."
    )
    cost_per_day: Decimal | None = strawberry.field(
        description="What its requests may cost in a day of UTC; null is as much as it takes."
    )


@strawberry.type(name="KeyError", description="Why nothing was changed.")
class KeyFault:
    """See resolvers.keys.KeyTold."""

    code: KeyProblem = strawberry.field(description="What kind of problem it is.")
    message: str = strawberry.field(description="What, where, and what to do.")
    field: str | None = strawberry.field(description="The input field, if it is one.")


@strawberry.type(description="Something that an administrator did.")
class AuditEntry:
    """See access.audit_entry.Entry."""

    number: int = strawberry.field(description="Greater than that of every entry before it.")
    at: datetime = strawberry.field(description="When it was done.")
    actor: str = strawberry.field(
        description="Who did it: a key's id, a token's subject, or `local:` and a user's name."
    )
    act: Act = strawberry.field(description="What was done.")
    target: str = strawberry.field(description="To what: a key's id, say.")


@strawberry.input(description="A key to be made.")
class CreateKeyInput:
    """See resolvers.keys.KeyWish."""

    name: str = strawberry.field(description="Its name, for people.")
    scopes: list[Scope] = strawberry.field(description="What it may do.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it expires; never without."
    )
    networks: list[str] | None = strawberry.field(
        default=None, description="From where it may be used: `203.0.113.0/24`, `2001:db8::1`."
    )
    requests_per_second: float | None = strawberry.field(
        default=None, description="How many requests it may make a second."
    )
    records_per_day: int | None = strawberry.field(
        default=None, description="How many records it may send in a day of UTC."
    )
    cost_per_day: Decimal | None = strawberry.field(
        default=None, description="What its requests may cost in a day of UTC."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Makes sending it again safe: it makes one key, and no second."
    )


def _payload(name: str, *, text: bool) -> type:
    fields: dict[str, tuple[Any, str]] = {"key": (ApiKey | None, "The key after the change.")}
    if text:
        told = "The key itself, to be sent as `Authorization: Bearer …`. Keep it: it is shown once."
        fields["text"] = (str | None, told)
    fields["errors"] = (list[KeyFault], "What you can act on; empty when it was done.")
    body: dict[str, Any] = {
        field: strawberry.field(description=told) for field, (_, told) in fields.items()
    }
    body["__annotations__"] = {field: of for field, (of, _) in fields.items()}
    described = "The key after the change, or why nothing was changed."
    return strawberry.type(type(name, (), body), description=described)


async def _create(info: Info, input: CreateKeyInput) -> KeyChanged:  # noqa: A002 - as clients write it
    """See resolvers.keys.create."""
    return await keys.create(info.context, input)


async def _rotate(info: Info, key_id: Id, overlap: Overlap = None) -> KeyChanged:
    """See resolvers.keys.rotate."""
    return await keys.rotate(info.context, str(key_id), overlap)


async def _revoke(info: Info, key_id: Id) -> KeyChanged:
    """See resolvers.keys.revoke."""
    return await keys.revoke(info.context, str(key_id))


async def _keys(info: Info) -> Any:  # noqa: ANN401 - the views
    """See resolvers.keys.keys."""
    return await keys.keys(info.context)


async def _audit_log(info: Info, first: First = 50, before: Before = None) -> Any:  # noqa: ANN401 - the entries
    """See resolvers.keys.audit_log."""
    return await keys.audit_log(info.context, first, before)


def key_queries() -> Mapping[str, Any]:
    """Return the fields that show keys and the audit log."""
    return {
        "keys": strawberry.field(
            resolver=_keys,
            graphql_type=list[ApiKey],
            description="The keys of your tenant, oldest first; revoked and expired ones too.",
        ),
        "audit_log": strawberry.field(
            resolver=_audit_log,
            graphql_type=list[AuditEntry],
            description="What administrators of your tenant did, the newest first.",
        ),
    }


def key_mutations() -> Mapping[str, Any]:
    """Return the fields that change keys."""
    verbs = {
        "create_key": (_create, "CreateKeyPayload", True, "Make a key. It is shown this once."),
        "rotate_key": (_rotate, "RotateKeyPayload", True, "Give a key another secret."),
        "revoke_key": (
            _revoke,
            "RevokeKeyPayload",
            False,
            "End a key, for good. Whoever is connected with it is sent out within 5 seconds.",
        ),
    }
    return {
        name: strawberry.mutation(
            resolver=cast("Any", resolver),
            graphql_type=_payload(payload, text=text),
            description=description,
        )
        for name, (resolver, payload, text, description) in verbs.items()
    }
