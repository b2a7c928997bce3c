"""What a request that sends a file says of it: its query string, its headers."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from urllib.parse import parse_qsl

import orjson
from msgspec import Struct

from batches import bounds
from batches.batch import NewBatch
from batches.given import Upload
from batches.ingest import Sent
from batches.source.dialect import Format, Wishes
from batches.source.unpacking import PLAIN
from gateway.asked import Refusal
from gateway.endpoint import QUERY_STRING_BYTES_MAX
from providers.egress import AddressRefused, Gate
from resolvers.batch_changes import NO_WEBHOOKS
from resolvers.max_age import max_age_s_of
from schema.scalars import in_utc, parse_duration

MAPS_MAX = 1000
PARAMETERS = (
    "name", "map", "delimiter", "encoding", "format", "start", "startAfter", "priority",
    "sandbox", "costCap", "maxAge", "webhook", "idempotencyKey",
)  # fmt: skip
"""What a query string may say; `map` as often as there are columns."""

CONTENT: Mapping[str, tuple[Format | None, str | None, str | None]] = {
    "text/csv": (Format.CSV, None, None),
    "application/csv": (Format.CSV, None, None),
    "text/tab-separated-values": (Format.CSV, "\t", None),
    "application/x-ndjson": (Format.NDJSON, None, None),
    "application/ndjson": (Format.NDJSON, None, None),
    "application/jsonl": (Format.NDJSON, None, None),
    "application/x-jsonlines": (Format.NDJSON, None, None),
    "application/gzip": (None, None, "gzip"),
    "application/x-gzip": (None, None, "gzip"),
    "application/zstd": (None, None, "zstd"),
    # what clients say that do not know: curl, browsers, Windows
    "": (None, None, None),
    "application/json": (None, None, None),
    "application/octet-stream": (None, None, None),
    "application/partial-upload": (None, None, None),
    "application/vnd.ms-excel": (None, None, None),
    "application/x-www-form-urlencoded": (None, None, None),
    "text/plain": (None, None, None),
}
"""For each media type format, delimiter and packing of the body; None: as it looks."""
CODINGS = {"": None, "identity": None, "gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_WHOLE = re.compile(r"[+-]?[0-9]{1,4}")
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


class Told(Struct, frozen=True):
    """A batch to make, the file that it is made of, and how that is sent."""

    new: NewBatch
    upload: Upload
    sent: Sent


def told_by(
    scope_query: bytes,
    headers: Mapping[str, str],
    tenant: str,
    currency: str,
    gate: Gate | None,
) -> Told:
    """Return what a request to make a batch says.

    `gate` says which addresses a webhook may have; None takes no webhooks.

    Raises:
        Refusal: something of it can't be used; the message says what.
    """
    said = _parameters(scope_query)
    format_, delimiter, _ = content_of(headers)
    key = said.get("idempotencyKey", [headers.get("idempotency-key", "")])[0]
    if key and not bounds.is_key(key):
        raise _bad("idempotencyKey", bounds.KEY)
    name = _one(said, "name")
    if name is not None and not bounds.is_name(name):
        raise _bad("name", bounds.NAME)
    charset = _CHARSET.search(headers.get("content-type", ""))
    maps = tuple(said.get("map", ()))
    if len(maps) > MAPS_MAX:
        raise _bad("map", f"at most {MAPS_MAX} of them")
    wishes = Wishes(
        _format(_one(said, "format")) or format_,
        _one(said, "delimiter") or delimiter,
        _one(said, "encoding") or (charset[1] if charset else None),
        maps,
    )
    new = NewBatch(
        tenant=tenant,
        name=name,
        priority=_priority(_one(said, "priority")),
        start_after=_moment(_one(said, "startAfter")),
        max_age_s=_max_age_s(_one(said, "maxAge")),
        webhook=_webhook(_one(said, "webhook"), gate),
        cost_cap_millionths=_cost_cap(_one(said, "costCap")),
        currency=currency,
        sandbox=_flag(said, "sandbox"),
        idempotency_key=key or None,
        fingerprint=_fingerprint(said, wishes),
    )
    return Told(new, Upload(wishes, _flag(said, "start")), sent_by(headers))


def sent_by(headers: Mapping[str, str], *, again: bool = True) -> Sent:
    """Return how the body is sent; `again`: from the beginning of the file.

    Raises:
        Refusal: in a way that is not understood.
    """
    _, _, packing = content_of(headers)
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in CODINGS:
        raise Refusal(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Content-Encoding {coding!r}: use gzip or zstd, or none.",
        )
    complete = headers.get("upload-complete", "?1").strip()
    if complete not in {"?0", "?1"}:
        raise Refusal(400, "BAD_REQUEST", "Upload-Complete is ?1, or ?0 where more will come.")
    packing = CODINGS[coding] or packing
    # in the middle of a file its bytes may look like anything
    return Sent(packing or (None if again else PLAIN), again, complete == "?0")


def content_of(headers: Mapping[str, str]) -> tuple[Format | None, str | None, str | None]:
    """Return format, delimiter and packing that the media type of the body tells.

    Raises:
        Refusal: 415, it is none of a file of records.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    found = CONTENT.get(media_type)
    if found is None:
        raise Refusal(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Content-Type {media_type!r}: send the file as it is, as text/csv or"
            " application/x-ndjson (`curl -T FILE`, not `-F`).",
        )
    return found


def offset_of(headers: Mapping[str, str]) -> int:
    """Return where in the file the body goes on. Raise Refusal when the request does not say."""
    told = headers.get("upload-offset", "").strip()
    if not told.isdigit() or not told.isascii() or len(told) > 15:  # noqa: PLR2004 - a petabyte
        raise Refusal(
            400,
            "BAD_REQUEST",
            "Say by Upload-Offset where in the file the body goes on; HEAD tells it.",
        )
    return int(told)


def _parameters(query: bytes) -> dict[str, list[str]]:
    if len(query) > QUERY_STRING_BYTES_MAX:
        raise Refusal(414, "URI_TOO_LONG", f"Keep it below {QUERY_STRING_BYTES_MAX} bytes.")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refusal(400, "BAD_REQUEST", "The query string is not in UTF-8.") from None
    said: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise Refusal(
                400,
                "BAD_INPUT",
                f"There is no parameter {name[:50]!r}; there are {', '.join(PARAMETERS)}.",
            )
        said.setdefault(name, []).append(value)
        if name != "map" and len(said[name]) > 1:
            raise _bad(name, "said once")
    return said


def _one(said: Mapping[str, list[str]], name: str) -> str | None:
    values = said.get(name)
    return (values[0] or None) if values else None


def _flag(said: Mapping[str, list[str]], name: str) -> bool:
    value = said.get(name, ["false"])[0].lower()
    if value not in {"", "true", "false", "1", "0"}:
        raise _bad(name, "true or false")
    return value in {"", "true", "1"}


def _format(told: str | None) -> Format | None:
    try:
        return None if told is None else Format(told.lower())
    except ValueError:
        raise _bad("format", " or ".join(one.value for one in Format)) from None


def _cost_cap(told: str | None) -> int | None:
    if told is None:
        return None
    try:
        amount = Decimal(told)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not bounds.is_cost_cap(amount):
        raise _bad("costCap", bounds.COST_CAP)
    return bounds.millionths(amount)


def _priority(told: str | None) -> int:
    number = told or "0"
    right = _WHOLE.fullmatch(number) is not None and bounds.is_priority(int(number))
    if not right:
        raise _bad("priority", bounds.PRIORITY)
    return int(number)


def _moment(told: str | None) -> datetime | None:
    try:
        return None if told is None else in_utc(datetime.fromisoformat(told))
    except ValueError:
        raise _bad("startAfter", "a moment such as 2026-12-24T22:00:00Z") from None


def _max_age_s(told: str | None) -> float | None:
    try:
        return None if told is None else max_age_s_of(parse_duration(told))
    except ValueError as error:
        raise Refusal(400, "BAD_INPUT", f"maxAge: {error}.") from None


def _webhook(told: str | None, gate: Gate | None) -> str | None:
    if told is None:
        return None
    if gate is None:
        raise Refusal(400, "WEBHOOKS_OFF", NO_WEBHOOKS)
    try:
        gate.parsed(told)
    except AddressRefused as error:
        raise Refusal(400, "BAD_INPUT", f"webhook: {error}") from None
    return told


def _fingerprint(said: Mapping[str, list[str]], wishes: Wishes) -> bytes:
    """Return a digest of all that was asked for, the key apart."""
    asked = {name: value for name, value in said.items() if name != "idempotencyKey"}
    form = wishes.format.value if wishes.format else ""
    told = [asked, form, wishes.delimiter, wishes.encoding]
    return blake2b(orjson.dumps(told, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _bad(name: str, wanted: str) -> Refusal:
    return Refusal(400, "BAD_INPUT", f"{name}: must be {wanted}.")
