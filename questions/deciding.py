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
        self._waived = waived
        self._apart = apart
        self._started = started
        self._made: dict[tuple[int, ...], Decided] = {}

    def of(self, one: Examined[Any]) -> Decided:
        """Return what is decided of `one`."""
        answers: list[Outcome] = []
        value = one.canonical
        for around in self._rounds:
            if value is None:
                break
            answer = around.found[around.subject(value)]
            answers.append(answer)
            if answer.conclusion is REFUTED:
                break  # no later round was about it, though one may have been about its part
        same = (id(one.outcomes), *map(id, answers))
        decided = self._made.get(same)
        if decided is None:
            decided = self._made[same] = self._decided(one.outcomes, answers)
        return decided

    def _decided(self, local: Sequence[Outcome], answers: Sequence[Outcome]) -> Decided:
        outcomes = (*local, *answers)
        oldest = newest = expires_at = None
        for answer in answers:
            found_at = answer.found_at
            if found_at is None:
                continue
            if oldest is None or newest is None:
                oldest = newest = found_at
            else:
                oldest, newest = min(oldest, found_at), max(newest, found_at)
            ends = answer.expires_at
            if ends is not None and (expires_at is None or ends < expires_at):
                expires_at = ends
        source = LOCAL
        if newest is not None:
            source = PROVIDER if newest >= self._started else CACHE
        status, reasons, counted = VALID, (), outcomes
        if self._apart:
            counted = tuple(one for one in outcomes if one.check not in self._apart)
        for one in counted:
            if one.conclusion is not CONFIRMED or one.reasons:
                status = decide(counted, self._waived)
                reasons = tuple(reason for one in counted for reason in one.reasons)
                break
        return Decided(status, reasons, outcomes, oldest or self._started, expires_at, source)
