"""From canonical values to calls: templates filled with their parts, and whose the call is."""

from collections.abc import Callable, Generator, Mapping, Sequence
from http import HTTPStatus

from msgspec import Struct
from msgspec.json import Decoder

from providers.declared.call_settings import AuthTable, BulkCallTable, CallTable
from providers.declared.faults import FAULTS
from providers.declared.template import VALUES, Json, Parts
from providers.errors import Faulted, ProtocolBroken
from providers.exchange import Account, Answer, Call
from verdicts.reason import ReasonCode

PartsOf = Callable[[str], Parts]
Pair = tuple[str, str]
DOTS = frozenset({".", ".."})
"""Segments of a path that mean another one (RFC 3986, section 3.3)."""


TOKEN_ERRORS = frozenset({
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
    "unsupported_grant_type", "invalid_scope",
})  # fmt: skip
"""Of RFC 6749, section 5.2."""


class Signed(Struct, frozen=True):
    """What a call holds that says whose it is: in query, headers, and JSON or form."""

    query: tuple[Pair, ...] = ()
    headers: tuple[Pair, ...] = ()
    body: tuple[Pair, ...] = ()


NOBODYS = Signed()


class _TokenAnswer(Struct):
    access_token: str | None = None
    error: str | None = None


_TOKEN_ANSWER = Decoder(_TokenAnswer)


class Auth(Struct, frozen=True):
    """How calls of one declaration say whose they are."""

    table: AuthTable | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The credentials that it can't work without."""
        if self.table is None or self.table.optional:
            return ()
        return ("client_id", "client_secret") if self.table.type == "oauth2" else ("api_key",)

    @property
    def without_tokens(self) -> "Auth":
        """The same, its token being a key that is there already."""
        if self.table is None or not self.renews:
            return self
        return Auth(self.table.model_copy(update={"type": "bearer"}))

    @property
    def renews(self) -> bool:
        """Whether a refused token is fetched anew."""
        return self.table is not None and self.table.type == "oauth2"

    def is_about_token(self, answer: Answer) -> bool:
        """Return whether `answer` is about a token, which the exchange itself looks after.

        It is one that brings or refuses a token (RFC 6749, 5.1 and 5.2), or refuses ours (401).
        """
        if not self.renews:
            return False
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return True
        try:
            said = answer.read(_TOKEN_ANSWER)
        except ProtocolBroken:
            return False
        refused = said.error in TOKEN_ERRORS and answer.status == HTTPStatus.BAD_REQUEST
        return said.access_token is not None or refused

    def signed(self, account: Account) -> Generator[Call, Answer, Signed]:
        """Return what says whose the call is; asks for a token where one is needed.

        Raises:
            Faulted: the token call is refused.
        """
        table = self.table
        if table is None:
            return NOBODYS
        if table.type == "oauth2":
            token = account.token or (yield from _fetched(table, account))
            return Signed(headers=(("Authorization", f"Bearer {token}"),))
        key = account.get("api_key")
        if key is None:  # an optional one
            return NOBODYS
        if table.type == "bearer":
            return Signed(headers=(("Authorization", f"Bearer {key}"),))
        if table.type == "basic":
            with_secret = account.get("api_secret") is not None
            pair = account.basic("api_key", "api_secret" if with_secret else None)
            return Signed(headers=(pair,))
        named = ((table.name or "", key),)
        if table.type == "query":
            return Signed(query=named)
        if table.type == "body":
            return Signed(body=named)
        return Signed(headers=((table.name or "", table.prefix + key),))


def _fetched(table: AuthTable, account: Account) -> Generator[Call, Answer, str]:
    """Fetch a token by client credentials (RFC 6749, section 4.4) and keep it with the account."""
    form = [("grant_type", "client_credentials")]
    headers: tuple[Pair, ...] = ()
    if table.credentials == "basic":
        headers = (account.basic("client_id", "client_secret"),)
    else:
        form += [(name, account.secret(name)) for name in ("client_id", "client_secret")]
    if table.scope is not None:
        form.append(("scope", table.scope))
    answer = yield Call(
        "POST",
        "",
        headers=headers,
        form=tuple(form),
        base_url=str(table.token_url).rstrip("/"),
        shared=True,
    )
    if answer.status != HTTPStatus.OK:
        raise Faulted(FAULTS[ReasonCode.PROVIDER_REFUSED], answer.status)
    token = answer.read(_TOKEN_ANSWER).access_token
    if not token:
        raise ProtocolBroken("the answer brings no token")
    account.token = token
    return token


class SingleCall(Struct, frozen=True):
    """Makes the call about one value."""

    table: CallTable

    def fits(self, parts: Parts) -> bool:
        """Return whether a call about these parts has the structure that was declared.

        A part that is empty, or that makes a segment of the path mean another one, changes it.
        """
        if not all(parts.get(name) for name in self.table.names):
            return False
        return not DOTS & set(self.table.path.path(parts).split("/"))

    def made(self, parts: Parts, signed: Signed) -> Call:
        """Return the call about the value in `parts`; `signed` says whose it is."""
        table = self.table
        body = None if table.json_body is None else table.json_body.filled(parts)
        return _call(table, parts, signed, body, bulk=False)


class BulkCall(Struct, frozen=True):
    """Makes the call about many values."""

    table: BulkCallTable

    def fits(self, parts: Parts) -> bool:
        """Return whether the value can stand beside others: it holds no separator of theirs."""
        if not all(parts.get(name) for name in self.table.each.names):
            return False
        join = self.table.join
        return join is None or join not in self._joined_part(parts)

    def made(self, all_parts: Sequence[Parts], signed: Signed) -> Call:
        """Return the call about all values; `signed` says whose it is."""
        table = self.table
        if table.join is not None:
            shared = {VALUES: table.join.join(map(self._joined_part, all_parts))}
            body = None if table.json_body is None else table.json_body.filled(shared)
        else:
            shared: dict[str, str] = {}
            values: list[Json] = [table.each.filled(parts) for parts in all_parts]
            body = None if table.json_body is None else table.json_body.filled(shared, values)
        return _call(table, shared, signed, body, bulk=True)

    def _joined_part(self, parts: Parts) -> str:
        return str(self.table.each.filled(parts))


def _call(
    table: CallTable, parts: Mapping[str, str], signed: Signed, body: Json, *, bulk: bool
) -> Call:
    form = None
    if table.form is not None:
        form = (*((name, one.plain(parts)) for name, one in table.form.items()), *signed.body)
    elif signed.body and isinstance(body, dict):
        body = body | dict(signed.body)
    return Call(
        table.method,
        table.path.path(parts),
        query=(*((name, one.plain(parts)) for name, one in table.query.items()), *signed.query),
        headers=(
            *((name, one.header(parts)) for name, one in table.headers.items()),
            *signed.headers,
        ),
        json=body,
        form=form,
        safe=table.safe_to_repeat,
        bulk=bulk,
    )
