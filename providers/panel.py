"""Who answers the questions of one check: its providers, in the order of the configuration."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from providers.errand import Bill
from providers.failover import fail_over
from providers.priority import Asker
from providers.provider import Deliver, Provider
from providers.quorum import take_votes
from providers.sending import State
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because


class Strategy(StrEnum):
    """What several providers of one check are for."""

    FAILOVER = "failover"
    QUORUM = "quorum"


class Panel:
    """The providers of one check. Each value goes to those that are ready and serve it."""

    def __init__(
        self,
        check: str,
        providers: Sequence[Provider],
        bulk: int,
        strategy: Strategy = Strategy.FAILOVER,
    ) -> None:
        """`bulk` is how many values at most one call of any of `providers` carries."""
        self.check = check
        self.providers = tuple(providers)
        self.bulk = bulk
        self.strategy = strategy

    @property
    def vacant(self) -> bool:
        """Whether nobody on it is configured, so that waiting for an answer is no use."""
        return all(one.state is State.NOT_CONFIGURED for one in self.providers)

    @property
    def hearing_out(self) -> int:
        """Exchanges under way with a call that may be charged and is not to be repeated."""
        return sum(one.hearing_out for one in self.providers)

    def stop(self) -> None:
        """Have nothing sent from now on; see `Provider.stop`."""
        for one in self.providers:
            one.stop()

    async def ask(
        self, values: Sequence[str], deadline: float, deliver: Deliver, asker: Asker
    ) -> None:
        """Ask about all `values` until `deadline`; see `Provider.ask`."""
        shares = self._shares(values)
        nobodys = shares.pop((), None)
        if nobodys:
            reasons = (because(ReasonCode.NOT_COVERED, self.check),)
            deliver(dict.fromkeys(nobodys, Found(Conclusion.UNDECIDED, reasons)), Bill(""))
        if len(shares) == 1:
            ((chosen, share),) = shares.items()
            await self._ask(chosen, share, deadline, deliver, asker)
            return
        async with asyncio.TaskGroup() as group:
            for chosen, share in shares.items():
                group.create_task(self._ask(chosen, share, deadline, deliver, asker))

    async def _ask(
        self,
        chosen: tuple[int, ...],
        values: Sequence[str],
        deadline: float,
        deliver: Deliver,
        asker: Asker,
    ) -> None:
        providers = [self.providers[at] for at in chosen]
        if len(providers) == 1:
            await providers[0].ask(values, deadline, deliver, asker)
        elif self.strategy is Strategy.QUORUM:
            await take_votes(self.check, providers, values, deadline, deliver, asker)
        else:
            await fail_over(providers, values, deadline, deliver, asker)

    def _shares(self, values: Sequence[str]) -> dict[tuple[int, ...], list[str]]:
        """Return `values` by the places of those to ask about them; nobody's are under ()."""
        if len(self.providers) == 1 and all(map(self.providers[0].serves, values)):
            return {(0,): list(values)}  # as it mostly is
        shares: dict[tuple[int, ...], list[str]] = {}
        for value in values:
            shares.setdefault(self.asked_about(value), []).append(value)
        return shares

    def asked_about(self, value: str) -> tuple[int, ...]:
        """Return the places of those to ask about `value`, or else who could if configured."""
        serving = [at for at, one in enumerate(self.providers) if one.serves(value)]
        ready = [at for at in serving if self.providers[at].state is not State.NOT_CONFIGURED]
        return tuple(ready or serving[:1])
