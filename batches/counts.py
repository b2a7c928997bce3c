"""How much of a batch is decided, how, and what it took. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from msgspec import Struct

from verdicts.reason import Reason
from verdicts.verdict import RecordResult, Status

Numbers: TypeAlias = dict[str, int]


class Tally(Struct, frozen=True, array_like=True, omit_defaults=True):
    """Results of one status: how many, and for each kind their verdicts and reasons.

    `verdicts` counts by kind and status of the field's verdict, `reasons` by kind and code. A
    reason counts once a verdict, however many checks give it.
    """

    records: int = 0
    verdicts: dict[str, Numbers] = {}
    reasons: dict[str, Numbers] = {}


class Counts(Struct, frozen=True, array_like=True):
    """Tallies of results, by the name of the record's status.

    Apart for each status, so that opening all records of one status again is exact without
    reading a single result.
    """

    of: dict[str, Tally] = {}

    @property
    def records(self) -> int:
        """Results in all."""
        return sum(tally.records for tally in self.of.values())

    @property
    def statuses(self) -> dict[Status, int]:
        """Results by the record's status; each status is there."""
        return {status: self.of.get(status.value, _NONE).records for status in Status}

    @property
    def verdicts(self) -> dict[str, Numbers]:
        """Verdicts by kind and status."""
        return _summed(tally.verdicts for tally in self.of.values())

    @property
    def reasons(self) -> dict[str, Numbers]:
        """Verdicts that give a reason, by kind and code."""
        return _summed(tally.reasons for tally in self.of.values())

    def plus(self, other: "Counts", times: int = 1) -> "Counts":
        """Return these and `times` those of `other`, without what comes to nothing."""
        names = [*self.of, *(name for name in other.of if name not in self.of)]
        sums = {
            name: _added(self.of.get(name, _NONE), other.of.get(name, _NONE), times)
            for name in names
        }
        return Counts({name: tally for name, tally in sums.items() if tally != _NONE})

    def minus(self, other: "Counts") -> "Counts":
        """Return these without those of `other`."""
        return self.plus(other, -1)

    def without(self, statuses: AbstractSet[Status]) -> "Counts":
        """Return these without all results of `statuses`."""
        gone = {status.value for status in statuses}
        return Counts({name: tally for name, tally in self.of.items() if name not in gone})


class Spent(Struct, frozen=True, array_like=True):
    """What work on a batch took; the fields are those of `questions.usage.Usage`."""

    calls_made: int = 0
    values_asked: int = 0
    saved_by_local_checks: int = 0
    saved_by_dedupe: int = 0
    saved_by_cache: int = 0
    cost_millionths: int = 0

    def plus(self, other: "Spent") -> "Spent":
        """Return the sum of both."""
        return Spent(
            self.calls_made + other.calls_made,
            self.values_asked + other.values_asked,
            self.saved_by_local_checks + other.saved_by_local_checks,
            self.saved_by_dedupe + other.saved_by_dedupe,
            self.saved_by_cache + other.saved_by_cache,
            self.cost_millionths + other.cost_millionths,
        )


_NONE = Tally()
_NAME_OF = {id(status): status.value for status in Status}
NOTHING = Counts()
NO_COST = Spent()


def counted(results: Sequence[RecordResult]) -> Counts:
    """Return the counts of `results`, each counted once."""
    statuses = [id(result.status) for result in results]
    records = Counter(statuses)
    together = [result.verdicts for result in results]
    if sum(map(len, together)) == len(together) and all(together):  # as it mostly is
        verdicts = [one for (one,) in together]
    else:
        verdicts = [one for each in together for one in each]
        statuses = [id(result.status) for result in results for _ in result.verdicts]
    reasons = [verdict.reasons for verdict in verdicts]
    # by identity: enums hash slowly, and verdicts of equal findings share their reasons
    same = Counter(
        zip(
            statuses,
            [verdict.kind for verdict in verdicts],
            [id(verdict.status) for verdict in verdicts],
            map(id, reasons),
            strict=True,
        )
    )
    reasons_of = dict(zip(map(id, reasons), reasons, strict=True))
    alike: dict[tuple[int, str, int, tuple[str, ...]], int] = {}
    for (key, kind, own, why), number in same.items():
        found = reasons_of[why]
        said = (key, kind, own, tuple([one.code._value_ for one in found]) if found else ())
        alike[said] = alike.get(said, 0) + number
    tallies = {key: Tally(number, {}, {}) for key, number in records.items()}
    for (key, kind, own, codes), number in alike.items():
        tally = tallies[key]
        _add(tally.verdicts.setdefault(kind, {}), _NAME_OF[own], number)
        for code in set(codes):
            _add(tally.reasons.setdefault(kind, {}), code, number)
    return Counts({_NAME_OF[key]: tally for key, tally in tallies.items()})


def counted_alike(
    kind: str,
    statuses: Sequence[Status],
    reasons: Sequence[Sequence[Reason]],
    numbers: Iterable[int] | None,
) -> Counts:
    """Return the counts of records that have one verdict each, all of `kind`.

    `statuses` and `reasons` are what these say; `numbers` names by place what each of them says,
    None when they are one each.
    """
    times = None if numbers is None else Counter(numbers)
    records = Counter(map(id, statuses))
    if times is not None:
        records = Counter[int]()
        for at, number in times.items():
            records[id(statuses[at])] += number
    tallies = {
        key: Tally(number, {kind: {_NAME_OF[key]: number}}, {}) for key, number in records.items()
    }
    for at, found in enumerate(reasons):
        if found:
            tally = tallies[id(statuses[at])]
            for code in {one.code._value_ for one in found}:
                _add(tally.reasons.setdefault(kind, {}), code, 1 if times is None else times[at])
    return Counts({_NAME_OF[key]: tally for key, tally in tallies.items()})


def _add(numbers: Numbers, name: str, number: int) -> None:
    numbers[name] = numbers.get(name, 0) + number


def _added(one: Tally, other: Tally, times: int) -> Tally:
    return Tally(
        one.records + times * other.records,
        _merged(one.verdicts, other.verdicts, times),
        _merged(one.reasons, other.reasons, times),
    )


def _merged(
    one: Mapping[str, Numbers], other: Mapping[str, Numbers], times: int
) -> dict[str, Numbers]:
    """Return one sum a kind and name; what comes to nothing is left out."""
    merged: dict[str, Numbers] = {}
    for kind in (*one, *(kind for kind in other if kind not in one)):
        numbers = dict(one.get(kind, {}))
        for name, number in other.get(kind, {}).items():
            _add(numbers, name, times * number)
        kept = {name: number for name, number in numbers.items() if number}
        if kept:
            merged[kind] = kept
    return merged


def _summed(parts: Iterable[Mapping[str, Numbers]]) -> dict[str, Numbers]:
    summed: dict[str, Numbers] = {}
    for part in parts:
        summed = _merged(summed, part, 1)
    return summed
