"""An Assay that runs elsewhere, and what is asked of it about batches."""

import asyncio
import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from rich.console import Console

from gateway.bind import ANY_IPV4
from gateway.cli.asking import RemoteGateway
from gateway.cli.credential import credential
from gateway.cli.errors import SOMETHING_FAILED, WRONG_USAGE, CommandError
from gateway.shown_url import shown_url
from providers.errors import ProviderError
from providers.transport import Flow, Transport

ANSWER_S = 60.0
"""How long an answer may take to begin."""
IDLE_S = 60.0
"""How long an answer may say nothing: a quiet stream is pinged more often."""
AWAY_S_MAX = 300.0
"""How long an Assay that has answered before may be away."""
AGAIN_S_MIN, AGAIN_S_MAX = 0.25, 5.0
EVERYWHERE = {ANY_IPV4: "127.0.0.1", "::": "::1", "": "127.0.0.1"}
ANSWER_BYTES_MAX = 1 << 20

STATUS = """
id version state pauseReason retryAt records recordsDone rowErrors statuses { status records }
kinds { kind status verdicts } reasons { kind code verdicts } callsMade callsSaved cost currency
ratePerSecond eta startedAt finishedAt updatedAt
"""
BATCH = f"""
id name priority createdAt startAfter costCap webhook sandbox status {{ {STATUS} }}
mapping {{ column fields guessed }} rowErrors(first: 10) {{ line why }}
"""
ESTIMATE = """
estimate {
  records lookedAt decidedLocally duplicates known calls cost seconds
  providers { provider check questions calls cost seconds }
}
"""
SHOW = f"query Show($id: ID!) {{ batch(id: $id) {{ {BATCH} }} }}"
SHOW_ESTIMATED = f"query Show($id: ID!) {{ batch(id: $id) {{ {BATCH} {ESTIMATE} }} }}"
LIST = f"""
query List($first: Int!, $after: String) {{
  batches(first: $first, after: $after) {{
    nodes {{ id name priority createdAt startAfter costCap sandbox status {{ {STATUS} }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""
FOLLOW = f"subscription Follow($id: ID!) {{ batchStatus(id: $id) {{ {STATUS} }} }}"
CHANGES: Mapping[str, tuple[str, str]] = {
    "startBatch": ("", ""),
    "pauseBatch": ("", ""),
    "resumeBatch": ("", ""),
    "cancelBatch": ("", ""),
    "deleteBatch": ("", ""),
    "retryBatch": (", $statuses: [VerdictStatus!]!", ", statuses: $statuses"),
    "changeBatch": (", $input: ChangeBatchInput!", ", input: $input"),
}
"""The mutations, each with its further variables and arguments."""


class Refused(CommandError):
    """A change was not made; `code` tells programs why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, WRONG_USAGE if code == "BAD_INPUT" else SOMETHING_FAILED)
        self.code = code


class Distant:
    """An Assay that runs at `url`. `given`: the person has named it, so hints repeat it."""

    def __init__(self, url: str, transport: Transport, *, given: bool) -> None:
        self.shown = shown_url(url)
        self._url = url
        self._given = given
        self._transport = transport
        self._gateway = RemoteGateway(f"{url}/graphql", transport)

    def hint(self, *words: str) -> str:
        """Return the command `assay batch …` as a person would write it for this Assay."""
        url = ("--url", self.shown) if self._given else ()
        return shlex.join(("assay", "batch", *words, *url))

    async def ask(self, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the data of the answer; CommandError when there is none."""
        return await self._gateway.ask(document, variables, ANSWER_S)

    async def batch(self, id_: str, *, estimated: bool = False) -> dict[str, Any]:
        """Return a batch; CommandError when there is none of this id."""
        found = await self.ask(SHOW_ESTIMATED if estimated else SHOW, {"id": id_})
        if found["batch"] is None:
            raise self.unknown(id_)
        return found["batch"]

    async def change(self, name: str, id_: str, **variables: Any) -> dict[str, Any] | None:  # noqa: ANN401
        """Make the change `name` and return the batch; None when it was deleted.

        Raises:
            Refused: it was not made; the message says why.
        """
        taken, given = CHANGES[name]
        document = (
            f"mutation Change($id: ID!{taken}) {{ {name}(batchId: $id{given})"
            f" {{ batch {{ {BATCH} }} errors {{ code message }} }} }}"
        )
        answer = (await self.ask(document, {"id": id_, **variables}))[name]
        for error in answer["errors"]:
            if error["code"] == "NOT_FOUND":
                raise self.unknown(id_)
            raise Refused(error["code"], error["message"])
        return answer["batch"]

    def unknown(self, id_: str) -> Refused:
        """Return the error that there is no such batch."""
        return Refused(
            "NOT_FOUND",
            f"{self.shown} has no batch {id_!r}: it may have been deleted, or the id is not whole."
            f" `{self.hint('list')}` shows those that there are.",
        )

    def flow(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        idle_s: float = IDLE_S,
    ) -> AbstractAsyncContextManager[Flow]:
        """Return the answer to a request, to be entered; see `Transport.flow`."""
        return self._transport.flow(
            method,
            self._url + path,
            {**headers, **credential()},
            body,
            answer_s=ANSWER_S,
            idle_s=idle_s,
        )

    def nobody(self, error: Exception) -> CommandError:
        """Return the error that nobody answers."""
        return CommandError(
            f"No Assay answers at {self.shown} ({error}). `assay serve` starts one; --url names"
            " another."
        )


class Patience:
    """Bears with an Assay that goes away and comes back, and tells the person once."""

    def __init__(self, distant: Distant, console: Console, *, met: bool) -> None:
        """Give up at once on one that never answered; `met`: it has, just before."""
        self._distant = distant
        self._console = console
        self._met = met
        self._since: float | None = None
        self._wait_s = AGAIN_S_MIN

    def fine(self) -> None:
        """Take note that it answers."""
        self._met = True
        if self._since is not None:
            self._console.print(f"{self._distant.shown} is back.", markup=False)
        self._since, self._wait_s = None, AGAIN_S_MIN

    async def lost(self, why: Exception, left: str) -> None:
        """Wait before the next attempt; CommandError, which says what is `left`, when it is over.

        Only `fine` ends what this has begun to count.
        """
        if not self._met and not isinstance(why, Away):
            raise self._distant.nobody(why)
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
            told = f"says: {why}" if isinstance(why, Away) else "does not answer."
            self._console.print(
                f"{self._distant.shown} {told} Trying again…", markup=False, soft_wrap=True
            )
        if now - self._since > AWAY_S_MAX:
            raise CommandError(
                f"{self._distant.shown} is not back after {AWAY_S_MAX / 60:.0f} minutes. {left}"
            )
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(self._wait_s * 2, AGAIN_S_MAX)


class Away(ProviderError):
    """It answers that it can't just now."""


class Fault(Struct, frozen=True):
    """An answer that is an error."""

    message: str = ""
    extensions: dict[str, Any] = {}


class Answer(Struct, frozen=True):
    """An answer as JSON, of which only the errors are always the same."""

    errors: list[Fault] = []


async def whole(flow: Flow) -> bytes:
    """Return the body of an answer, cut off where it is too long. Raise ProviderError."""
    body = b""
    async for part in flow.parts():
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            break
    return body


def refusal(distant: Distant, status: int, body: bytes) -> tuple[str, str]:
    """Return code and message of an answer that is an error."""
    with suppress(msgspec.ValidationError, msgspec.DecodeError):
        for fault in msgspec.json.decode(body, type=Answer).errors:
            return str(fault.extensions.get("code", "")), fault.message
    return "", (
        f"What answers at {distant.shown} is no Assay that knows batches (status {status})."
        " --url takes its address, http://HOST:PORT."
    )


def base_of(url: str | None, config: Path | None) -> str:
    """Return the address of an Assay: `url`, else the one that the configuration has it listen on.

    Raises:
        CommandError: that is no address, or the configuration is wrong.
    """
    if url is None:
        from gateway.cli.opening import settings_of

        gateway = settings_of(config).gateway
        host = EVERYWHERE.get(gateway.host, gateway.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{gateway.port}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(
            f"--url {url!r}: write http://HOST:PORT, for example http://127.0.0.1:8000.",
            WRONG_USAGE,
        )
    base = url.partition("?")[0].rstrip("/")
    return base.removesuffix("/graphql")


@asynccontextmanager
async def distant_at(url: str | None, config: Path | None) -> AsyncGenerator[Distant]:
    """Enter with the Assay at `url`, else the one of the configuration.

    Raises:
        CommandError: that is no address, or the configuration is wrong.
    """
    base = base_of(url, config)
    transport = Transport()
    try:
        yield Distant(base, transport, given=url is not None)
    finally:
        await transport.close()
