"""A conversation with a service: calls out, answers in, what was found at the end. No I/O here."""

import base64
from collections.abc import Generator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable
from urllib.parse import quote

import msgspec
from msgspec import Struct

from providers.decoding import decoded, only
from providers.errors import Fault
from verdicts.outcome import Found

T = TypeVar("T")


class Call(Struct, frozen=True, gc=False):
    """One HTTP request of an exchange.

    `path` lies below the provider's base URL, its parts already percent-encoded (`encoded`); names
    and values of `query` are not. At most one of `json` and `form` is the body. `safe` says that
    sending it twice neither changes anything nor costs twice. `bulk` picks the service's bulk
    address and limits, where it has its own. `base_url` is given where the call goes elsewhere
    than to the provider's address, as one for an OAuth2 token may. One that is `shared`, as that
    is, is sent once for all exchanges of a process that need it at one time.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    json: object = None
    form: tuple[tuple[str, str], ...] | None = None
    safe: bool = True
    bulk: bool = False
    base_url: str | None = None
    shared: bool = False


class Answer(Struct, frozen=True, gc=False):
    """What came back: status, headers (to be asked for in lower case), the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, decoder: msgspec.json.Decoder[T]) -> T:
        """Return the body as `decoder` knows it.

        Raises:
            ProtocolBroken: it is not JSON, not of that shape, or says that it is something else.
        """
        media_type = self.headers.get("content-type", "application/json")
        return decoded(self.body, media_type, decoder)

    def only(self, times: int, *names: str) -> None:
        """Make sure that the members that decide are there `times` at most.

        Raises:
            ProtocolBroken: one of `names` stands there more often.
        """
        only(self.body, times, names)


Exchange = Generator[Call, Answer, Mapping[str, Found]]


class Account:
    """The credentials that a limit counts, and a token that they were changed for.

    `proven` is set once the service has answered what only it can. Until then a "not found" that
    every address of it may say, right or wrong, proves nothing about a value.
    """

    def __init__(self, name: str, secrets: Mapping[str, str], requester: str | None = None) -> None:
        """Hold `secrets` (the names are the service's: `api_key`, `client_id`, …).

        `requester` is our own VAT number, for registers that give a consultation number for it.
        """
        self.name = name
        self.requester = requester
        self.token: str | None = None
        self.proven = False
        self._secrets = secrets

    def __repr__(self) -> str:
        return f"Account({self.name!r})"

    def secret(self, name: str) -> str:
        """Return the secret called `name`; KeyError when it is not configured."""
        return self._secrets[name]

    def get(self, name: str) -> str | None:
        """Return the secret called `name`, None when it is not configured."""
        return self._secrets.get(name)

    def basic(self, user: str, password: str | None = None) -> tuple[str, str]:
        """Return the header of RFC 7617 with the secrets of these names."""
        pair = f"{self.secret(user)}:{self.secret(password) if password else ''}"
        return "Authorization", "Basic " + base64.b64encode(pair.encode()).decode()


class Defaults(Struct, frozen=True):
    """What the service's own documentation says of its address and limits.

    One that is not `asked_unnamed` is asked only where `checks.KIND.CHECK.providers` names it.
    """

    base_url: str
    sandbox_path: str
    rates: tuple[str, ...] = ()
    concurrency: int = 16
    timeout_s: float = 10.0
    price: str = "0"
    bulk: int = 1
    bulk_from: int = 2
    bulk_base_url: str | None = None
    bulk_sandbox_path: str | None = None
    bulk_rates: tuple[str, ...] | None = None
    asked_unnamed: bool = True
    bulk_bytes: int = 64_000


class Service(Protocol):
    """What a module must hold to be a service: it speaks one outside API.

    One that fails by parts of its values holds `partition_of` besides: it takes a value and returns
    the part (a member state, say) that fails, and is left alone, by itself.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a module's constant
    @property
    def KIND(self) -> str: ...  # noqa: N802 - as NAME
    @property
    def CHECK(self) -> str: ...  # noqa: N802 - as NAME
    @property
    def SECRETS(self) -> tuple[str, ...]:  # noqa: N802 - as NAME
        """The credentials it can't work without."""
        ...

    @property
    def DEFAULTS(self) -> Defaults: ...  # noqa: N802 - as NAME
    def serves(self, value: str, /) -> bool:
        """Return whether this service knows anything of `value` (its country, say)."""
        ...

    def ask(self, values: Sequence[str], account: Account, /) -> Exchange:
        """Ask for all `values` in one exchange; at most `DEFAULTS.bulk` of them."""
        ...

    def fault_of(self, answer: Answer, /) -> Fault | None:
        """Return what is wrong with `answer`, None when the exchange can read it."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A service whose answers say what the account has left."""

    def exhausted_for_s(self, answer: Answer, /) -> float | None:
        """Return for how many seconds `answer` says that nothing is left; None if something is."""
        ...


def encoded(part: str) -> str:
    """Return `part` percent-encoded for one segment of a path (RFC 3986, section 3.3)."""
    return quote(part, safe="")
