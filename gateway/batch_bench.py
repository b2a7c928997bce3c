"""Who judges batches here: the same judges as for requests, asked for the whole policy."""

from collections.abc import Mapping, Sequence

from batches.batch import Batch, PauseReason
from batches.giving_up import GivingUp
from batches.rounds import Court, Foreseeing
from batches.undecided import Blocked
from checks.kinds import KindModule
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
        judge: Judge,
        rehearsal: Judge | None,
        kinds: Sequence[KindModule],
        panels: Mapping[tuple[str, str], Panel],
        foresight: Foreseeing,
    ) -> None:
        """Let `judge` judge, and `rehearsal` what is to be answered by the sandbox alone."""
        needs: Needs = {one.KIND.field: judge.policies[one.KIND.name] for one in kinds}
        desks = {
            (module.KIND.name, check.name): GivingUp(check.name)
            for module in kinds
            for check in module.KIND.asked
        }
        clerk = Judge(kinds, desks, judge.policies)
        prices = {
            module.KIND.field: sum(
                _price(panels[module.KIND.name, check]) for check in needs[module.KIND.field]
            )
            for module in kinds
        }
        self._panels = panels
        self._live = Court(judge, clerk, needs, prices, foresight)
        # no sandbox runs here: never would what is meant for it be asked of the real services
        self._rehearsal = Court(rehearsal or clerk, clerk, needs, {}, foresight)

    def court(self, batch: Batch) -> Court:
        """Return who judges `batch`."""
        return self._rehearsal if batch.sandbox else self._live

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
