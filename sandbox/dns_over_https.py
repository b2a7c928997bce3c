"""DNS over HTTPS in JSON: the nameserver's answers, as Google and as Cloudflare give them.

Contract: https://developers.google.com/speed/public-dns/docs/doh/json (`/resolve`, names with
their last dot) and https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https
(`/dns-query` with `Accept: application/dns-json`, names without it). Limit: fair use, not
published as a number; 1,500 requests a second here. What a nameserver does not answer, a resolver
tells as SERVFAIL.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import dns.exception
import dns.message
import dns.rdata
import dns.rrset

from sandbox.dns import SLOW_S, answer_to
from sandbox.domains import MAGIC, Behaviour, behaviour_of
from sandbox.limits import Limit, Window
from sandbox.message import Reply, Request
from sandbox.standin import Drift, MagicInput, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "dns_over_https"
REQUESTS_MAX, WINDOW_S = 1_500, 1.0
MEDIA_TYPE = "application/dns-json"
ERRORS = {400: "Invalid query", 415: "Unsupported media type", 429: "Too many requests"}
SEEN_AS: dict[Behaviour, Behaviour] = {"timeout": "servfail", "garbage": "servfail"}
STATUS: dict[Behaviour, str] = {
    "nxdomain": "NXDOMAIN",
    "servfail": "SERVFAIL",
    "refused": "REFUSED",
}


def seen(behaviour: Behaviour) -> Behaviour:
    """Return what the resolver makes of a nameserver's behaviour."""
    return SEEN_AS.get(behaviour, behaviour)


INPUTS = tuple(
    MagicInput(
        *(NAME, "email", f"somebody@{name.rstrip('.')}"),
        *(STATUS.get(seen(behaviour), "NOERROR"), conclusion, meaning),
    )
    for name, (behaviour, conclusion, meaning) in MAGIC.items()
)


def _records(sets: Iterable[dns.rrset.RRset], last: str) -> list[dict[str, Any]]:
    return [
        {
            "name": written(one.name.to_text(), last),
            "type": int(one.rdtype),
            "TTL": one.ttl,
            "data": record.to_text(),
        }
        for one in sets
        for record in cast("Iterable[dns.rdata.Rdata]", one)
    ]


def written(name: str, last: str) -> str:
    """Return an absolute name with `last` in place of its last dot."""
    return name.removesuffix(".") + last


def resolved(name: str, kind: str, last: str, behaviour: Behaviour | None = None) -> Reply:
    """Return the answer to one question, in which names end with `last`."""
    try:
        query = dns.message.make_query(name, kind or "A")
    except (dns.exception.DNSException, ValueError):
        return error(400)
    question = query.question[0]
    how = behaviour or behaviour_of(question.name.to_text().lower())
    response = answer_to(query, seen(how))
    payload: dict[str, Any] = {
        "Status": int(response.rcode()),
        "TC": False,
        "RD": True,
        "RA": True,
        "AD": False,
        "CD": False,
        "Question": [
            {"name": written(question.name.to_text(), last), "type": int(question.rdtype)}
        ],
    }
    for section, sets in (("Answer", response.answer), ("Authority", response.authority)):
        if sets:
            payload[section] = _records(sets, last)
    media_type = "application/json; charset=UTF-8" if last else MEDIA_TYPE
    return Reply(payload=payload, content_type=media_type, delay_s=SLOW_S if how == "slow" else 0.0)


def error(status: int) -> Reply:
    """Return a resolver's form of an error."""
    return Reply(status, {"error": ERRORS.get(status, "Resolver error")})


def handle(request: Request, behaviour: Behaviour | None = None) -> Reply:
    """Answer GET /resolve as Google does, GET /dns-query as Cloudflare does."""
    name, kind = request.parameters.get("name", ""), request.parameters.get("type", "")
    match request.method, request.path:
        case "GET", "/resolve":
            return resolved(name, kind, ".", behaviour) if name else error(400)
        case "GET", "/dns-query":
            if request.header(b"accept") != MEDIA_TYPE:
                return error(415)
            return resolved(name, kind, "", behaviour) if name else error(400)
        case _:
            return error(404)


def values(request: Request) -> list[str]:
    """Return the name as received."""
    return [request.parameters.get("name", "")]


def truncated(request: Request) -> Reply:
    """Return an answer that says it is cut."""
    reply = handle(request)
    reply.payload = {**reply.payload, "TC": True}
    return reply


def stand_in() -> StandIn:
    """Return a resolver."""
    behaviours: tuple[Behaviour, ...] = ("nxdomain", "servfail", "refused")
    return StandIn(
        name=NAME,
        mounts={"dns-over-https": Limit((Window(REQUESTS_MAX, WINDOW_S),))},
        paths=("/resolve", "/dns-query"),
        handle=handle,
        error=error,
        drift=Drift(
            decides=("Status",),
            unknown_word=23,
            other_type="0",
            echo=(("Question",),),
            foreign=[{"name": "foreign.example.", "type": 15}],
        ),
        values=values,
        faults={
            **{one: partial(handle, behaviour=one) for one in behaviours},
            "truncated": truncated,
        },
    )
