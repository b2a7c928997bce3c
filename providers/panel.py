"""Who answers the questions of one check: its providers, in the order of the configuration."""

import asyncio
from collections.abc import Sequence

from providers.provider import Bill, Deliver, Provider, State
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because


class Panel:
    """The providers of one check. Each value goes to the first that is ready and serves it."""

    def __init__(self, check: str, providers: Sequence[Provider], bulk: int) -> None:
        """`bulk` is how many values at most one call of any of `providers` carries."""
        self.check = check
        self.providers = tuple(providers)
        self.bulk = bulk

    @property
    def vacant(self) -> bool:
        """Whether nobody on it is configured, so that waiting for an answer is no use."""
        return all(one.state is State.NOT_CONFIGURED for one in self.providers)

    async def ask(self, values: Sequence[str], deadline: float, deliver: Deliver) -> None:
        """Ask about all `values` until `deadline`; see `Provider.ask`."""
        shares: dict[int, list[str]] = {}
        nobodys: list[str] = []
        for value in values:
            at = self._choose(value)
            if at is None:
                nobodys.append(value)
            else:
                shares.setdefault(at, []).append(value)
        if nobodys:
            reasons = (because(ReasonCode.NOT_COVERED, self.check),)
            deliver(dict.fromkeys(nobodys, Found(Conclusion.UNDECIDED, reasons)), Bill(""))
        if len(shares) == 1:
            ((at, share),) = shares.items()
            await self.providers[at].ask(share, deadline, deliver)
            return
        async with asyncio.TaskGroup() as group:
            for at, share in shares.items():
                group.create_task(self.providers[at].ask(share, deadline, deliver))

    def _choose(self, value: str) -> int | None:
        unconfigured = None
        for at, provider in enumerate(self.providers):
            if provider.serves(value):
                if provider.state is not State.NOT_CONFIGURED:
                    return at
                unconfigured = at if unconfigured is None else unconfigured
        return unconfigured
