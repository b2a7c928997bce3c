"""The engine: what lets one process work on batches, started together and ended in order."""

import secrets

from taskiq import AsyncBroker

from batches.broker import HintBroker, broker_named
from batches.chunk_work import Packing
from batches.dispatch import Dispatch
from batches.hints import Hints
from batches.store import Store
from batches.sweeper import Sweeper
from batches.work import Bench, Work
from batches.work_settings import WorkSettings


class Engine:
    """Works on the chunks of a store, with others or alone."""

    def __init__(
        self, settings: WorkSettings, store: Store, packing: Packing, bench: Bench, redis_url: str
    ) -> None:
        """Put the parts together; nothing is opened here.

        Raises:
            BrokerError: the broker that `settings` name can't be had.
        """
        self.work = Work(
            store=store,
            packing=packing,
            bench=bench,
            owner=secrets.token_hex(8),
            slots=settings.slots,
            lease_s=settings.lease_s,
        )
        self.hints = Hints(broker_of(settings, redis_url), settings.slots, self.work.begin)
        self.dispatch = Dispatch(store, self.hints, self.work)
        self._sweeper = Sweeper(store, self.dispatch)

    def start(self) -> None:
        """Begin to work; needs a running loop."""
        self.work.start()
        self.hints.start()
        self.dispatch.start()
        self._sweeper.start()

    async def close(self) -> None:
        """Take nothing new, flush what is decided, give every chunk back; bounded throughout."""
        await self.dispatch.close()
        await self.work.close()
        await self.hints.close()
        await self._sweeper.close()


def broker_of(settings: WorkSettings, redis_url: str) -> AsyncBroker:
    """Return the broker of `settings`: Redis Streams at `redis_url` where they name no other.

    Raises:
        BrokerError: it can't be had.
    """
    if settings.broker is None:
        return HintBroker(redis_url, settings.slots, settings.lease_s)
    return broker_named(settings.broker, settings.broker_options or {})
