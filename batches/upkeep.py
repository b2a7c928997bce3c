"""What a worker does beside its chunks: webhooks are told, and what is old enough is removed."""

from batches.retention import EVERY_S, Retention, kept_of
from batches.settings import RetentionSettings, WebhookSettings
from batches.steady import Steady
from batches.store import Store
from batches.webhooks import ANSWER_BYTES_MAX, POLL_S, Webhooks, signer_of
from providers.egress import Gate
from providers.transport import Transport


class Upkeep:
    """Owns both loops, and the transport of webhooks; one a worker."""

    def __init__(
        self, store: Store, retention: RetentionSettings, webhooks: WebhookSettings, gate: Gate
    ) -> None:
        """Look after `store`. Nothing is opened before `start`."""
        self.retention = Retention(store, kept_of(retention))
        self._store = store
        self._signer = signer_of(webhooks)
        self._gate = gate
        self._removing = Steady("retention", self.retention.look, EVERY_S)
        self._webhooks: Webhooks | None = None
        self._telling: Steady | None = None
        self._transport: Transport | None = None

    def start(self) -> None:
        """Begin; needs a running loop. Without a secret no webhook is told."""
        self._removing.start()
        if self._signer is not None:
            self._transport = Transport(self._gate, answer_bytes_max=ANSWER_BYTES_MAX)
            webhooks = Webhooks(self._store, self._transport, self._gate, self._signer)
            self._webhooks = webhooks
            self._telling = Steady("webhooks", webhooks.run, POLL_S)
            self._telling.start()

    async def close(self) -> None:
        """Begin nothing more, and end what is under way within `batches.steady.CLOSE_S` each."""
        if self._webhooks is not None:
            self._webhooks.stop()
        if self._telling is not None:
            await self._telling.close()
        await self._removing.close()
        if self._transport is not None:
            await self._transport.close()
