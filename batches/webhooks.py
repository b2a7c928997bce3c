"""Webhooks: whoever made a batch is told of each state that it enters.

Signed as Standard Webhooks says (https://www.standardwebhooks.com). The body says which batch and
how far it is, never a record. What is to be told stands in the store since the change itself, so
that no end of a process loses it: each delivery arrives at least once, under the same id.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from random import Random
from typing import Any, Protocol

import orjson
from msgspec import Struct
from standardwebhooks import Webhook

from batches.batch import Batch
from batches.delivery import Delivery
from batches.errors import StoreError
from batches.settings import WebhookSettings
from providers.egress import AddressRefused, Gate
from providers.errors import ProviderError
from providers.exchange import Answer, Call

PAUSES_S = (5, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
"""Between two attempts; the last is made a day after the first, less twenty minutes."""
JITTER = 0.05
"""A pause is longer or shorter by up to this part of it, so that many do not come at once."""
TIMEOUT_S = 15.0
LEASE_S = 60.0
"""Seconds in which nobody else makes the same attempt."""
ANSWER_BYTES_MAX = 64 << 10
IN_FLIGHT_MAX = 16
POLL_S = 1.0
GONE = 410
"""The status by which a receiver says that it wants to hear nothing more."""

_log = logging.getLogger(__name__)


class Ledger(Protocol):
    """Where deliveries stand; see `batches.store.Store`."""

    async def due(self, limit: int, lease_s: float) -> list[Delivery]:
        """Return deliveries that are due; nobody else gets them for `lease_s` seconds."""
        ...

    async def delivered(self, delivery_id: str) -> None:
        """Note that a webhook was told."""
        ...

    async def deliver_again(self, delivery_id: str, after_s: float, error: str) -> None:
        """Note that a webhook could not be told, and try it again in `after_s` seconds."""
        ...

    async def give_up(self, delivery_id: str, error: str) -> None:
        """Note that a webhook will not be told any more."""
        ...


class Sends(Protocol):
    """How calls go out; see `providers.transport.Transport`."""

    async def send(self, base_url: str, call: Call, timeout_s: float) -> Answer:
        """Send `call` below `base_url` and return the whole answer; raise a ProviderError."""
        ...


class Attempt(Enum):
    """How one attempt ended."""

    TOLD = "TOLD"
    FAILED = "FAILED"
    ENDED = "ENDED"


class Ended(Struct, frozen=True):
    """How one attempt ended, and why if it was not well. `why` holds nothing of the answer."""

    attempt: Attempt
    why: str = ""


class Signer:
    """Signs bodies with one secret, and while it is being changed with older ones, too."""

    def __init__(self, secret: str, older: Sequence[str] = ()) -> None:
        """Take secrets as Standard Webhooks writes them: `whsec_` and 24 to 64 bytes as base64.

        Raises:
            ValueError: one of them is none.
        """
        self._webhooks = [Webhook(one) for one in (secret, *older)]

    def headers(self, delivery_id: str, body: bytes, now: datetime) -> tuple[tuple[str, str], ...]:
        """Return the headers that prove where `body` comes from, and that it is not old."""
        text = body.decode()
        signatures = [webhook.sign(delivery_id, now, text) for webhook in self._webhooks]
        return (
            ("webhook-id", delivery_id),
            ("webhook-timestamp", str(int(now.timestamp()))),
            ("webhook-signature", " ".join(signatures)),
        )


class Webhooks:
    """Tells what is due. One loop a worker; several processes share the work."""

    def __init__(
        self,
        ledger: Ledger,
        transport: Sends,
        gate: Gate,
        signer: Signer,
        *,
        random: Random | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`transport` is one behind `gate`; `now` is the clock of what is signed."""
        self._ledger = ledger
        self._transport = transport
        self._gate = gate
        self._signer = signer
        self._random = random or Random()  # noqa: S311 - spreads attempts, hides nothing
        self._now = now
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Tell whatever becomes due, until stopped. What is cancelled half-way is told again."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not self._stopped.is_set():
                room = IN_FLIGHT_MAX - len(under_way)
                found = await self._due(room) if room else []
                under_way |= {asyncio.create_task(self.deliver(one)) for one in found}
                if len(found) == room:  # there may be more: go on as soon as one of these ends
                    await self._until_stopped(under_way, None)
                else:
                    await self._until_stopped((), POLL_S)
                done = {task for task in under_way if task.done()}
                under_way -= done
                for task in done:
                    task.result()
            await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def stop(self) -> None:
        """Let `run` begin nothing more, and end with what is under way."""
        self._stopped.set()

    async def _until_stopped(
        self, tasks: Iterable[asyncio.Task[None]], timeout_s: float | None
    ) -> None:
        """Wait until one of `tasks` is done, or so long, or until stopped."""
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait(
                (*tasks, stopped), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopped.cancel()

    async def deliver(self, delivery: Delivery) -> None:
        """Make one attempt, and note in the ledger how it ended."""
        try:
            ended = await self._attempted(delivery)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop all others
            _log.error(
                "webhook failed", extra={"delivery": delivery.id, "error": type(error).__name__}
            )
            ended = Ended(Attempt.FAILED, "a fault of ours")
        try:
            await self._note(delivery, ended)
        except StoreError as error:  # then it is due again when its lease has run out
            _log.warning(
                "webhook not noted",
                extra={"delivery": delivery.id, "error": type(error).__name__},
            )

    async def _due(self, limit: int) -> list[Delivery]:
        try:
            return await self._ledger.due(limit, LEASE_S)
        except StoreError as error:
            _log.warning("webhooks wait for the store", extra={"error": type(error).__name__})
            return []

    async def _attempted(self, delivery: Delivery) -> Ended:
        try:
            url = self._gate.parsed(delivery.url)
        except AddressRefused:
            return Ended(Attempt.ENDED, "the address is not allowed")
        body = body_of(delivery)
        call = Call(
            "POST",
            "",
            tuple(url.query.items()),
            self._signer.headers(delivery.id, body, self._now()),
            json=orjson.Fragment(body),
            safe=False,
        )
        base_url = str(url.with_query(None).with_fragment(None))
        try:
            answer = await self._transport.send(base_url, call, TIMEOUT_S)
        except ProviderError as error:
            said = str(error)
            return Ended(Attempt.FAILED, f"{type(error).__name__}: {said}" if said else "")
        if 200 <= answer.status < 300:  # noqa: PLR2004 - all that mean success
            return Ended(Attempt.TOLD)
        why = f"status {answer.status}"
        return Ended(Attempt.ENDED if answer.status == GONE else Attempt.FAILED, why)

    async def _note(self, delivery: Delivery, ended: Ended) -> None:
        told = {"delivery": delivery.id, "batch": delivery.batch, "attempt": delivery.attempts + 1}
        if ended.attempt is Attempt.TOLD:
            await self._ledger.delivered(delivery.id)
            _log.info("webhook told", extra=told)
            return
        pause_s = self.pause_s(delivery.attempts + 1)
        if ended.attempt is Attempt.ENDED or pause_s is None:
            await self._ledger.give_up(delivery.id, ended.why)
            _log.warning("webhook given up", extra={**told, "why": ended.why})
            return
        await self._ledger.deliver_again(delivery.id, pause_s, ended.why)
        _log.info("webhook later", extra={**told, "why": ended.why, "after_s": round(pause_s)})

    def pause_s(self, attempts: int) -> float | None:
        """Return the seconds to wait after so many attempts; None: those were all."""
        if attempts > len(PAUSES_S):
            return None
        return PAUSES_S[attempts - 1] * self._random.uniform(1 - JITTER, 1 + JITTER)


def signer_of(settings: WebhookSettings) -> Signer | None:
    """Return what signs as `settings` say; None: there is no secret, so nothing can be told."""
    if settings.secret is None:
        return None
    return Signer(settings.secret.get_secret_value(), settings.older)


def body_of(delivery: Delivery) -> bytes:
    """Return what a receiver is told, as JSON: the same bytes for each attempt."""
    batch = delivery.snapshot
    return orjson.dumps(
        {
            "type": f"batch.{batch.state.value.lower()}",
            "timestamp": batch.updated_at,
            "data": _data(batch),
        }
    )


def _data(batch: Batch) -> dict[str, Any]:
    return {
        "batchId": batch.id,
        "state": batch.state.value,
        "pauseReason": None if batch.pause_reason is None else batch.pause_reason.value,
        "retryAt": batch.retry_at,
        "version": batch.version,
        "records": batch.records,
        "decided": batch.counts.records,
        "statuses": {status.value: number for status, number in batch.counts.statuses.items()},
        "rowErrors": batch.row_errors,
    }
