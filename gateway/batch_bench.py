"""Who judges batches here: the same judges as for requests, asked for the whole policy."""

from collections.abc import Callable, Mapping, Sequence

from batches.batch import Batch, PauseReason
from batches.giving_up import GivingUp
from batches.rounds import Court
from batches.undecided import Blocked
from checks.kinds import KindModule
from gateway.courts import Pair
from providers.panel import Panel
from providers.provider import ServiceProvider
from providers.standing import Standing
from questions.judging import Judge, Needs
from verdicts.outcome import MILLION
from verdicts.reason import ReasonCode


class BatchBench:
    """Judges batches with the judges of requests; satisfies `batches.work.Bench`."""

    def __init__(
        self,
        courts: Callable[[str], Pair],
        kinds: Sequence[KindModule],
        panels: Mapping[tuple[str, str], Panel],
    ) -> None:
        """Let those judge that `courts` returns for a tenant."""
        self._of = courts
        self._kinds = kinds
        self._panels = panels
        self._known: dict[str, tuple[Court, Court]] = {}

    def court(self, batch: Batch) -> Court:
        """Return who judges `batch`."""
        known = self._known.get(batch.tenant)
        if known is None:
            known = self._known[batch.tenant] = self._made(self._of(batch.tenant))
        return known[batch.sandbox]

    def _made(self, pair: Pair) -> tuple[Court, Court]:
        """Return who judges for a tenant, and who of what the sandbox alone is to answer."""
        judge, foresight = pair.live.judge, pair.live.foresight
        needs: Needs = {one.KIND.field: judge.policies[one.KIND.name] for one in self._kinds}
        desks = {
            (module.KIND.name, check.name): GivingUp(check.name)
            for module in self._kinds
            for check in module.KIND.asked
        }
        clerk = Judge(self._kinds, desks, judge.policies)
        prices = {
            module.KIND.field: sum(
                _price(self._panels[module.KIND.name, check]) for check in needs[module.KIND.field]
            )
            for module in self._kinds
        }
        # no sandbox runs here: never would what is meant for it be asked of the real services
        rehearsal = pair.rehearsal
        rehearsing = clerk if rehearsal is None else rehearsal.judge
        memory = (rehearsal or pair.live).memory
        return (
            Court(judge, clerk, needs, prices, foresight, pair.live.memory.unsaved),
            Court(rehearsing, clerk, needs, {}, foresight, memory.unsaved),
        )

    async def again_in_s(self, blocked: Blocked) -> float | None:
        """Return in how many seconds a quota begins anew; None where nobody knows.

        Credit and credentials come back when somebody has seen to it.
        """
        panel = self._panels.get((blocked.kind, blocked.check))
        if panel is None or blocked.reason is not PauseReason.QUOTA_EXHAUSTED:
            return None
        known: list[float] = []
        for provider in panel.providers:
            if isinstance(provider, ServiceProvider):
                try:
                    standings = await provider.standing()
                except OSError:
                    return None
                known += [_again_in_s(one) for one in standings if one is not None]
        return min((seconds for seconds in known if seconds > 0), default=None)


def _again_in_s(standing: Standing) -> float:
    """Return in how many seconds an account that has used up a quota has some again, else 0."""
    if standing.why is ReasonCode.QUOTA_EXHAUSTED:
        return standing.paused_s
    return max((one.again_s for one in standing.windows if not one.left), default=0.0)


def _price(panel: Panel) -> int:
    """Return the most that one value may cost there, in millionths: each may be asked in turn."""
    return sum(round(one.price * MILLION) for one in panel.providers)
