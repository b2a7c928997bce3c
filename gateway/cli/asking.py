"""Two ways to ask a gateway: the one of this process, or one that runs elsewhere."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import orjson

from gateway.cli.credential import credential
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.running import run
from gateway.shown_url import shown_url
from providers.errors import ProviderError
from providers.exchange import Call
from providers.transport import Transport

if TYPE_CHECKING:
    from gateway.assembly import Assembly

ASK_TIMEOUT_S = 30.0
SHOWN_CHARACTERS_MAX = 300


class Gateway(Protocol):
    """Whoever answers GraphQL operations."""

    currency: str | None
    """Of all costs; None when it is not known."""

    async def ask(
        self, document: str, variables: dict[str, Any] | None = None, timeout_s: float = ...
    ) -> dict[str, Any]:
        """Return the data of the answer; CommandError when there is none."""
        ...


class HereGateway:
    """The gateway that this process has assembled."""

    def __init__(self, assembly: "Assembly") -> None:
        from schema.roots import build_schema

        self.currency: str | None = assembly.context.currency
        self._schema = build_schema(assembly.declarations.kinds)
        self._context = assembly.context

    async def ask(
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Return the data of the answer; see `Gateway.ask`."""
        del timeout_s  # the gateway holds the deadline that the options carry
        answer = await self._schema.answer(document, variables, None, self._context)
        if answer.data is None or answer.errors:
            raise CommandError(_told(answer.errors or ()))
        return answer.data


class RemoteGateway:
    """A gateway that runs elsewhere, asked over HTTP."""

    def __init__(self, url: str, transport: Transport) -> None:
        self.currency: str | None = None
        self._url = url
        self._shown = shown_url(url)
        self._transport = transport

    async def ask(
        self,
        document: str,
        variables: dict[str, Any] | None = None,
        timeout_s: float = ASK_TIMEOUT_S,
    ) -> dict[str, Any]:
        """Return the data of the answer; see `Gateway.ask`."""
        call = Call(
            "POST",
            "",
            headers=(("Accept", "application/json"), *credential().items()),
            json={"query": document, "variables": variables},
            bulk=True,  # as large an answer as there is
        )
        try:
            answer = await self._transport.send(self._url, call, timeout_s)
        except ProviderError as error:
            raise CommandError(
                f"No gateway answers at {self._shown} ({error}). Is it running, and is the address"
                " right? `assay serve` starts one."
            ) from None
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise CommandError(f"The gateway at {self._shown} takes no work now (503). Try again.")
        try:
            body = orjson.loads(answer.body)
            data, errors = body.get("data"), body.get("errors")
        except (orjson.JSONDecodeError, AttributeError):
            raise CommandError(
                f"What answers at {self._shown} is no GraphQL endpoint (status {answer.status})."
                " The path is usually /graphql."
            ) from None
        if data is None or errors:
            raise CommandError(f"The gateway at {self._shown} refuses: {_told(errors or ())}")
        return data


def _told(errors: Sequence[Mapping[str, Any]]) -> str:
    messages = dict.fromkeys(str(error.get("message", "")) for error in errors)
    told = "; ".join(messages) or "it gives no data and no reason"
    return told if len(told) <= SHOWN_CHARACTERS_MAX else told[:SHOWN_CHARACTERS_MAX] + "…"


def gateway_at(url: str) -> AbstractAsyncContextManager[Gateway]:
    """Return the gateway that runs at `url`, to be entered.

    Raises:
        CommandError: that is no URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(
            f"--url {url!r}: write http://HOST:PORT/graphql, for example"
            " http://127.0.0.1:8000/graphql.",
            WRONG_USAGE,
        )
    return _remote(url if parts.path.strip("/") else f"{url.rstrip('/')}/graphql")


@asynccontextmanager
async def _remote(url: str) -> AsyncGenerator[Gateway]:
    transport = Transport()
    try:
        yield RemoteGateway(url, transport)
    finally:
        await transport.close()


def gateway_here(
    config: Path | None, data_dir: Path | None, *, sandbox: bool
) -> AbstractAsyncContextManager[Gateway]:
    """Return a gateway of this process, to be entered; then it is assembled.

    Raises:
        CommandError: the configuration is wrong.
    """
    from gateway.cli.opening import opened, settings_of

    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox)

    @asynccontextmanager
    async def assembled() -> AsyncGenerator[Gateway]:
        async with opened(settings, guest=True) as assembly:
            yield HereGateway(assembly)

    return assembled()


def ask_once(
    document: str,
    url: str | None,
    config: Path | None,
    data_dir: Path | None,
    *,
    sandbox: bool,
) -> dict[str, Any]:
    """Ask one operation of the gateway at `url`, or of one assembled for it; return its data.

    Raises:
        CommandError: there is no answer.
    """
    opening = gateway_here(config, data_dir, sandbox=sandbox) if url is None else gateway_at(url)

    async def asked() -> dict[str, Any]:
        async with opening as gateway:
            return await gateway.ask(document)

    return run(asked())
