"""Retention: what has been kept for long enough is removed, bit by bit, by whoever has time."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from batches.kept import Kept
from batches.oldest import Oldest, oldest_of
from batches.settings import RetentionSettings
from batches.store import Store

EVERY_S = 600.0
"""Between two looks, when the last left nothing to do."""
BREATH_S = 0.05
"""Between two removals of one look: others want the store, too."""

_log = logging.getLogger(__name__)


def kept_of(settings: RetentionSettings) -> Kept:
    """Return what `settings` say."""
    apart = {
        tenant: Kept(
            _days(settings.given_days if one.given_days is None else one.given_days),
            _days(settings.results_days if one.results_days is None else one.results_days),
        )
        for tenant, one in settings.tenants.items()
    }
    return Kept(_days(settings.given_days), _days(settings.results_days), apart)


def _days(number: float) -> timedelta:
    return timedelta(days=number)


class Removed(Struct):
    """What this process has removed since it began, and what the last look left.

    `given` counts chunks without what was given any longer, `batches` those that are gone. Whoever
    runs Assay sees by `oldest` whether the rule is kept, and by `looked_at` whether that is news:
    it is `EVERY_S` old at most, and older only while there is more to remove, or no store.
    """

    given: int = 0
    batches: int = 0
    oldest: Oldest = Oldest()
    looked_at: datetime | None = None


class Retention:
    """What `batches.upkeep` does now and then; several processes do each other no harm."""

    def __init__(
        self,
        store: Store,
        kept: Kept,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Remove from `store` what is older than `kept` says."""
        self._store = store
        self._kept = kept
        self._now = now
        self.removed = Removed()

    async def look(self) -> None:
        """Remove all that is old enough by now.

        Raises:
            StoreError: the store went away; what was removed until then is gone.
        """
        given = batches = 0
        more = True
        while more:
            expired = await self._store.expire(self._kept)
            given += expired.given
            batches += expired.batches
            self.removed.given += expired.given
            self.removed.batches += expired.batches
            more = expired.more
            if more:
                await asyncio.sleep(BREATH_S)
        self.removed.oldest = await oldest_of(self._store)
        self.removed.looked_at = self._now()
        if given or batches:
            _log.info(
                "retention",
                extra={
                    "given": given,
                    "batches": batches,
                    "oldest_given": _written(self.removed.oldest.given_since),
                    "oldest_results": _written(self.removed.oldest.results_since),
                },
            )


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
