"""What answering records would take, found out without asking anybody outside."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from msgspec import Struct

from checks.kinds import KindModule
from questions.desk import Desk
from verdicts.record import Record


class Foreseen(Struct, frozen=True):
    """The questions of one check about some records.

    `refuted`: values that a local check decides, so that there is no question about them. `times`
    has how often each question is asked, `known` those whose outcome is known.
    """

    kind: str
    check: str
    refuted: int
    times: Mapping[str, int]
    known: frozenset[str]


class Foresight:
    """Looks ahead for the same kinds and checks that a judge asks about."""

    def __init__(
        self,
        kinds: Sequence[KindModule],
        desks: Mapping[tuple[str, str], Desk],
        policies: Mapping[str, Sequence[str]],
    ) -> None:
        """See `questions.judging.Judge`."""
        self._kinds = [(attrgetter(module.KIND.field), module) for module in kinds]
        self._desks = desks
        self._policies = policies

    def examined(
        self, records: Sequence[Record]
    ) -> list[tuple[KindModule, int, Mapping[str, int]]]:
        """Return for each kind the values that are refuted, and how often each other one is there.

        It computes, so it is for a thread: an e-mail costs microseconds, a phone number thirty.
        """
        found: list[tuple[KindModule, int, Mapping[str, int]]] = []
        for getter, module in self._kinds:
            values: Counter[Any] = Counter()
            refuted = 0
            for value in filter(_is_given, map(getter, records)):
                canonical = module.examine(value).canonical
                if canonical is None:
                    refuted += 1
                else:
                    values[canonical] += 1
            if refuted or values:
                found.append((module, refuted, values))
        return found

    async def of(
        self,
        examined: Sequence[tuple[KindModule, int, Mapping[str, int]]],
        max_age_s: float | None,
    ) -> list[Foreseen]:
        """Return the questions that the policy of each kind asks about what was `examined`.

        A later check of a policy may not be asked, where an earlier one refutes: these are the
        most that there can be.

        Raises:
            OSError: the shared store is away, so nobody can say what is known.
        """
        return [
            Foreseen(
                module.KIND.name,
                check,
                refuted,
                times,
                frozenset(await self._desks[module.KIND.name, check].known(times, max_age_s)),
            )
            for module, refuted, values in examined
            for check, times in self._questions(module, values)
        ]

    def _questions(
        self, module: KindModule, values: Mapping[str, int]
    ) -> Iterator[tuple[str, Mapping[str, int]]]:
        for check in module.KIND.asked:
            if check.name not in self._policies[module.KIND.name]:
                continue
            times: Counter[str] = Counter()
            for value, number in values.items():
                times[check.subject(value)] += number
            yield check.name, times


def _is_given(value: object) -> bool:
    return value is not None
