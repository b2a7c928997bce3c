"""Stand-ins for services that the gateway's configuration declares: told calls get told answers.

What is told is plain data: for each value the call about it, and the answer. A call is the one that
was told when method, path, parameters and body are the same; headers are not looked at.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from sandbox.limits import Limit
from sandbox.message import Reply, Request
from sandbox.standin import Drift, StandIn

PREFIX = "declared-"
"""What the mount of each begins with, so that none takes the place of a service that is here."""
DECLARED_MAX = 200
Pair = tuple[str, str]


class Example(Struct, frozen=True):
    """One value: the call about it, and the answer to that."""

    value: str
    method: str
    path: str
    query: tuple[Pair, ...] = ()
    form: tuple[Pair, ...] | None = None
    json: Any = None
    status: int = 200
    headers: dict[str, str] = {}
    body: str = ""

    def is_asked(self, request: Request) -> bool:
        """Return whether `request` is the call about this value."""
        if (request.method, request.path) != (self.method, self.path):
            return False
        query = parse_qsl(request.query, keep_blank_values=True)
        if sorted(query) != sorted(self.query):
            return False
        if self.form is not None:
            given = parse_qsl(request.body.decode("latin-1"), keep_blank_values=True)
            return sorted(given) == sorted(self.form)
        return request.json == self.json

    def reply(self) -> Reply:
        """Return the answer."""
        headers = dict(self.headers)
        sort = headers.pop("content-type", "application/json")
        return Reply(
            self.status,
            body=self.body.encode(),
            headers=tuple(headers.items()),
            content_type=sort,
        )


class Declared(Struct, frozen=True):
    """One declared service: where it answers, and all that it knows."""

    mount: str
    service: str
    answers: tuple[Example, ...]

    def stand_in(self) -> StandIn:
        """Return it as every stand-in is."""
        return StandIn(
            name=self.service,
            mounts={self.mount: Limit()},
            paths=("/",),
            handle=self._handle,
            error=_error,
            drift=Drift(
                decides=("status",), unknown_word="perhaps", other_type=7, echo=(), foreign=""
            ),
            values=self._values,
        )

    def _asked(self, request: Request) -> Example | None:
        return next((one for one in self.answers if one.is_asked(request)), None)

    def _handle(self, request: Request) -> Reply:
        example = self._asked(request)
        if example is None:
            said = b"the declaration has no example of this call"
            return Reply(501, body=said, content_type="text/plain")
        return example.reply()

    def _values(self, request: Request) -> list[str]:
        example = self._asked(request)
        return [] if example is None else [example.value]


def _error(status: int) -> Reply:
    return Reply(status, {"error": f"status {status}"})
