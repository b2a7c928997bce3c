"""Quorum: several providers have a voice about each value, and where they differ it is shown.

Two voices are wanted. A provider that fails has none, and the next one is asked; a second one that
costs something is not asked once a first one that costs something has answered. Voices that agree
are the conclusion, those that do not are a doubt.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from providers.again import soonest
from providers.errand import Bill
from providers.failover import Owed
from providers.priority import Asker
from providers.provider import Deliver, Provider
from verdicts.outcome import Conclusion, Found, Voice
from verdicts.reason import ReasonCode, because

VOICES_WANTED = 2


async def take_votes(
    check: str,
    providers: Sequence[Provider],
    values: Sequence[str],
    deadline: float,
    deliver: Deliver,
    asker: Asker,
) -> None:
    """Ask for `VOICES_WANTED` voices about each of `values`; as `Provider.ask`."""
    poll = _Poll(check, providers, values, deliver)
    while turns := poll.turns():
        async with asyncio.TaskGroup() as group:
            for at, some in turns.items():
                group.create_task(providers[at].ask(some, deadline, poll.taker(at), asker))


def agreed(check: str, voices: Sequence[tuple[str, Found]]) -> Found:
    """Return what `voices` (provider, what it found) conclude together; at least one is there."""
    told = tuple(Voice(name, found.conclusion, found.reasons) for name, found in voices)
    answers = [found for _, found in voices if found.conclusion is not Conclusion.UNDECIDED]
    if not answers:
        (_, first), *others = voices
        return replace(soonest(first, [found for _, found in others]), voices=told)
    first = answers[0]
    if all(found.conclusion is first.conclusion for found in answers):
        return replace(first, voices=told)
    doubts = [
        reason
        for found in answers
        if found.conclusion is Conclusion.DOUBTFUL
        for reason in found.reasons
    ]
    evidence = next((found.evidence for found in answers if found.evidence is not None), None)
    reasons = (because(ReasonCode.PROVIDERS_DISAGREE, check), *doubts)
    return Found(Conclusion.DOUBTFUL, reasons, evidence, first.fresh_for_s, told)


class _Ballot:
    """The voices about one value: who was asked, who is asked now, what they said."""

    __slots__ = ("asked", "pending", "voices")

    def __init__(self) -> None:
        self.asked: set[int] = set()
        self.pending = 0
        self.voices: list[tuple[str, Found]] = []

    @property
    def answers(self) -> int:
        return sum(found.conclusion is not Conclusion.UNDECIDED for _, found in self.voices)


class _Poll:
    """The ballots about a set of values."""

    def __init__(
        self, check: str, providers: Sequence[Provider], values: Sequence[str], deliver: Deliver
    ) -> None:
        self._check = check
        self._providers = providers
        self._deliver = deliver
        self._owed = Owed()
        self._open = {value: _Ballot() for value in values}
        self._ranks = {provider.name: at for at, provider in enumerate(providers)}

    def turns(self) -> Mapping[int, Sequence[str]]:
        """Return who is to be asked about which values next; nobody once all are delivered."""
        turns: dict[int, list[str]] = {}
        for value, ballot in self._open.items():
            for at in self._next(ballot):
                turns.setdefault(at, []).append(value)
                ballot.asked.add(at)
                ballot.pending += 1
        return turns

    def taker(self, at: int) -> Callable[[Mapping[str, Found], Bill], None]:
        """Return what takes the voices of one provider."""
        name = self._providers[at].name

        def take(found: Mapping[str, Found], bill: Bill) -> None:
            self._owed.note(found, bill)
            closed: dict[str, Found] = {}
            for value, one in found.items():
                ballot = self._open[value]
                ballot.voices.append((name, one))
                ballot.pending -= 1
                if not ballot.pending and not self._next(ballot):
                    closed[value] = agreed(self._check, sorted(ballot.voices, key=self._rank))
                    del self._open[value]
            if closed:
                self._deliver(closed, self._owed.settle(closed, Bill(bill.provider)))

        return take

    def _rank(self, voice: tuple[str, Found]) -> int:
        """Return the place of the provider whose voice it is: who answers first is chance."""
        return self._ranks[voice[0]]

    def _next(self, ballot: _Ballot) -> list[int]:
        """Return who is to be asked about the value of `ballot` now, as many as are wanted."""
        wanted = VOICES_WANTED - ballot.answers
        paid = any(
            self._providers[at].price and self._has_answered(ballot, at) for at in ballot.asked
        )
        chosen: list[int] = []
        for at, provider in enumerate(self._providers):
            if len(chosen) < wanted and at not in ballot.asked and not (provider.price and paid):
                chosen.append(at)
                paid = paid or bool(provider.price)
        return chosen

    def _has_answered(self, ballot: _Ballot, at: int) -> bool:
        name = self._providers[at].name
        return any(
            said == name and found.conclusion is not Conclusion.UNDECIDED
            for said, found in ballot.voices
        )
