"""From what checks found about a value to what is decided of it."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from msgspec import Struct

from verdicts.examined import Decided, Examined
from verdicts.outcome import CONFIRMED, REFUTED, Outcome
from verdicts.rule import decide
from verdicts.verdict import CACHE, LOCAL, PROVIDER, VALID


class Round(Struct, frozen=True, gc=False):
    """What one check found, by the part of a canonical value that `subject` cuts from it."""

    subject: Callable[[str], str]
    found: Mapping[str, Outcome]


class Deciding:
    """Decides about the values of one set, which were asked about in `rounds` from `started` on.

    Values of which the very same was found, as of many in one bulk call, share what is decided.
    """

    def __init__(
        self,
        rounds: Sequence[Round],
        started: datetime,
        waived: AbstractSet[str] = frozenset(),
        apart: AbstractSet[str] = frozenset(),
    ) -> None:
        """Hold what there is to decide by, `waived` as in `verdicts.rule`; all outlives this.

        Checks that are `apart` were asked for what they show: they decide nothing, and are no
        reason for what is decided.
        """
        self._rounds = rounds
        self._only = rounds[0].found if len(rounds) == 1 and rounds[0].subject is str else None
        self._waived = waived
        self._apart = apart
        self._started = started
        self._made: dict[tuple[int, ...], Decided] = {}

    def of(self, one: Examined[Any]) -> Decided:
        """Return what is decided of `one`."""
        local, value = one.outcomes, one.canonical
        if value is None:
            answers: tuple[Outcome, ...] = ()
            same: tuple[int, ...] = (id(local),)
        elif self._only is not None:  # the usual case, by itself: this runs for every value
            answer = self._only[value]
            answers = (answer,)
            same = (id(local), id(answer))
        else:
            answers = self._answers(value)
            same = (id(local), *map(id, answers))
        decided = self._made.get(same)
        if decided is None:
            decided = self._made[same] = self._decided(local, answers)
        return decided

    def _answers(self, value: str) -> tuple[Outcome, ...]:
        answers: list[Outcome] = []
        for around in self._rounds:
            answer = around.found[around.subject(value)]
            answers.append(answer)
            if answer.conclusion is REFUTED:
                break  # no later round was about it, though one may have been about its part
        return tuple(answers)

    def _decided(self, local: tuple[Outcome, ...], answers: tuple[Outcome, ...]) -> Decided:
        outcomes = counted = local + answers
        if self._apart:
            counted = tuple(one for one in outcomes if one.check not in self._apart)
        status, reasons = VALID, ()
        for one in counted:
            if one.conclusion is not CONFIRMED or one.reasons:
                status = decide(counted, self._waived)
                reasons = tuple(reason for one in counted for reason in one.reasons)
                break
        oldest, newest, expires_at = _dates(answers)
        if oldest is None or newest is None:
            return Decided(status, reasons, outcomes, self._started, expires_at, LOCAL)
        source = PROVIDER if newest >= self._started else CACHE
        return Decided(status, reasons, outcomes, oldest, expires_at, source)


def _dates(
    answers: Sequence[Outcome],
) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Return when the first and the last of `answers` was found, and when the first expires."""
    if len(answers) == 1:
        (answer,) = answers
        return answer.found_at, answer.found_at, answer.expires_at
    found = [one.found_at for one in answers if one.found_at is not None]
    ends = [one.expires_at for one in answers if one.expires_at is not None]
    return min(found, default=None), max(found, default=None), min(ends, default=None)
