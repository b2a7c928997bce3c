"""What answering records would take, found out without asking anybody outside."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from msgspec import Struct

from checks.kinds import KindModule
from questions.desk import Desk
from verdicts.kind import Check
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
        return [
            (module, refuted, Counter(values.values()))
            for module, refuted, values in self._canonical(records)
        ]

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

    async def free(self, records: Sequence[Record], max_age_s: float | None) -> set[int]:
        """Return the places of those of `records` for whose policies nobody would be asked now.

        Raises:
            OSError: the shared store is away, so nobody can say what is known.
        """
        free = set(range(len(records)))
        for module, _, values in await asyncio.to_thread(self._canonical, records):
            for check in self._checks(module):
                parts = {at: check.subject(one) for at, one in values.items()}
                asked = dict.fromkeys(parts.values())
                known = await self._desks[module.KIND.name, check.name].known(asked, max_age_s)
                free.difference_update(at for at, part in parts.items() if part not in known)
        return free

    def _canonical(
        self, records: Sequence[Record]
    ) -> list[tuple[KindModule, int, Mapping[int, str]]]:
        """Return for each kind the values that are refuted, and each other one by its place."""
        found: list[tuple[KindModule, int, Mapping[int, str]]] = []
        for getter, module in self._kinds:
            values: dict[int, str] = {}
            refuted = 0
            for at, value in enumerate(map(getter, records)):
                if value is None:
                    continue
                canonical = module.examine(value).canonical
                if canonical is None:
                    refuted += 1
                else:
                    values[at] = canonical
            if refuted or values:
                found.append((module, refuted, values))
        return found

    def _questions(
        self, module: KindModule, values: Mapping[str, int]
    ) -> Iterator[tuple[str, Mapping[str, int]]]:
        for check in self._checks(module):
            times: Counter[str] = Counter()
            for value, number in values.items():
                times[check.subject(value)] += number
            yield check.name, times

    def _checks(self, module: KindModule) -> Iterator[Check]:
        """Yield the checks that the policy of a kind asks."""
        policy = self._policies[module.KIND.name]
        return (check for check in module.KIND.asked if check.name in policy)
