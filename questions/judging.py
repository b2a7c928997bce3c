"""Records in, verdicts out: local checks, then the questions that are needed, then the policy."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol, cast

from checks.declared import result_class
from checks.kinds import KindModule
from questions.deciding import Deciding, Round
from questions.remembered import Verdicts
from questions.terms import Terms
from verdicts.examined import Examined
from verdicts.kind import Check
from verdicts.outcome import REFUTED, Outcome
from verdicts.record import Record
from verdicts.rule import worst
from verdicts.verdict import RecordResult, Verdict

Needs = Mapping[str, Sequence[str]]
"""For each field of a record, the checks that have to be asked, in the order of the policy."""

Columns = Mapping[str, Sequence[Any]]
"""For each field that any record has, its value in each record, None where it has none."""


class Asked(Protocol):
    """Who is asked the questions of one check: a desk."""

    async def ask(self, values: Iterable[str], terms: Terms) -> dict[str, Outcome]:
        """Return an outcome for each of `values`; UNDECIDED for what is not known in time."""
        ...


class EmptyRecordError(ValueError):
    """The record at `index` has no field to judge."""

    def __init__(self, index: int) -> None:
        super().__init__(f"record {index} has no field")
        self.index = index


class Judge:
    """Gives verdicts on records. One a process, for requests and batches alike."""

    def __init__(
        self,
        kinds: Sequence[KindModule],
        desks: Mapping[tuple[str, str], Asked],
        policies: Mapping[str, Sequence[str]],
        waived: AbstractSet[tuple[str, str]] = frozenset(),
    ) -> None:
        """`desks` holds one desk for each (kind, check) that is not local.

        `policies` names for each kind the checks that its status needs beside the local ones;
        `waived` are those (kind, check) whose answer is not needed while nobody can give one.
        """
        self.policies = policies
        self.waived = {
            module.KIND.name: frozenset(check for kind, check in waived if kind == module.KIND.name)
            for module in kinds
        }
        self._kinds = {module.KIND.field: module for module in kinds}
        self._row_of = attrgetter("ref", *self._kinds)  # of one name it would be no tuple
        self._desks = desks
        self._result = result_class(kinds)
        self._verdicts: dict[tuple[str, tuple[str, ...]], Verdicts] = {}

    async def judge(
        self, records: Sequence[Record], needs: Needs, terms: Terms
    ) -> list[RecordResult]:
        """Return a result for each of `records`, in their order, within `terms.deadline`.

        Raises:
            EmptyRecordError: one of `records` has no field; nothing was asked.
        """
        columns = self._columns(records)
        terms.usage.records += len(records)
        works = [
            self._column(self._kinds[field], column, needs.get(field, ()), terms)
            for field, column in columns.items()
        ]
        if len(works) == 1:
            (field,) = columns
            return _results_of_one(records, field, await works[0], self._result)
        judged = await asyncio.gather(*works)
        return _results(records, dict(zip(columns, judged, strict=True)), self._result)

    def drop(self) -> None:
        """Remember nothing of what was decided before."""
        self._verdicts.clear()

    def _columns(self, records: Sequence[Record]) -> Columns:
        """Return the values of `records` by field, without the fields that none of them has."""
        columns: dict[str, Sequence[Any]] = {}
        full = False
        _refs, *turned = zip(*map(self._row_of, records), strict=True) if records else [()]
        for field, column in zip(self._kinds, turned, strict=bool(records)):
            absent = column.count(None)
            if absent < len(column):
                columns[field] = column
                full = full or not absent
        if not full:
            given = zip(*columns.values(), strict=True) if columns else [()] * len(records)
            for index, values in enumerate(given):
                if values.count(None) == len(values):
                    raise EmptyRecordError(index)
        return columns

    async def _column(
        self, module: KindModule, column: Sequence[Any], wanted: Sequence[str], terms: Terms
    ) -> list[Verdict | None]:
        """Return the verdict of each value of `column`, None where there is no value."""
        at = [index for index, value in enumerate(column) if value is not None]
        values = column if len(at) == len(column) else [column[index] for index in at]
        if isinstance(values[0], str):
            verdicts = await self._texts(module, cast("Sequence[str]", values), wanted, terms)
        else:
            examined = [module.examine(value) for value in values]
            verdicts = await self._judge(module, examined, wanted, terms)
        if len(at) == len(column):
            return cast("list[Verdict | None]", verdicts)
        judged: list[Verdict | None] = [None] * len(column)
        for index, verdict in zip(at, verdicts, strict=True):
            judged[index] = verdict
        return judged

    async def _texts(
        self, module: KindModule, texts: Sequence[str], wanted: Sequence[str], terms: Terms
    ) -> list[Verdict]:
        """Judge texts: those that were judged before are remembered, each other one once."""
        key = (module.KIND.field, tuple(wanted))
        known = self._verdicts.get(key)
        if known is None:
            known = self._verdicts[key] = Verdicts()
        now = datetime.now(UTC)
        not_before = None if terms.max_age_s is None else now - timedelta(seconds=terms.max_age_s)
        verdicts, missing = known.recall(texts, now, not_before, terms.usage)
        if missing:
            again = texts if len(missing) == len(texts) else [texts[at] for at in missing]
            distinct = dict.fromkeys(again)
            terms.usage.saved_by_dedupe += (len(again) - len(distinct)) * len(wanted)
            examined = [module.examine(text) for text in distinct]
            given = await self._judge(module, examined, wanted, terms)
            judged = dict(zip(distinct, given, strict=True))
            known.remember(judged, len(wanted))
            if len(distinct) == len(texts):
                return given
            for at, text in zip(missing, again, strict=True):
                verdicts[at] = judged[text]
        return cast("list[Verdict]", verdicts)

    async def _judge(
        self,
        module: KindModule,
        examined: Sequence[Examined[Any]],
        wanted: Sequence[str],
        terms: Terms,
    ) -> list[Verdict]:
        """Ask what is `wanted` of every examined value that no local check refuted; decide."""
        started = datetime.now(UTC)
        asked, apart = self._asked(module, wanted)
        values = [one.canonical for one in examined if one.canonical is not None]
        distinct = list(dict.fromkeys(values))
        terms.usage.saved_by_local_checks += (len(examined) - len(values)) * len(asked)
        terms.usage.saved_by_dedupe += (len(values) - len(distinct)) * len(asked)
        rounds: list[Round] = []
        for check in asked:
            if rounds:  # what the round before refuted is not asked about any further
                subject, found = rounds[-1].subject, rounds[-1].found
                distinct = [
                    value for value in distinct if found[subject(value)].conclusion is not REFUTED
                ]
            if distinct:
                rounds.append(await self._ask(module.KIND.name, check, distinct, terms))
        decided = Deciding(rounds, started, self.waived[module.KIND.name], apart).of
        return [module.verdict(one, decided(one)) for one in examined]

    def _asked(
        self, module: KindModule, wanted: Sequence[str]
    ) -> tuple[list[Check], AbstractSet[str]]:
        """Return the checks that are `wanted`, and the names of those outside the policy.

        These come last: what one of them refutes is still to be decided by the policy.
        """
        policy = self.policies[module.KIND.name]
        asked = [check for check in module.KIND.asked if check.name in wanted]
        apart = frozenset(check.name for check in asked if check.name not in policy)
        if apart:
            asked.sort(key=lambda check: check.name in apart)
        return asked, apart

    async def _ask(self, kind: str, check: Check, values: Sequence[str], terms: Terms) -> Round:
        """Ask `check` about all `values`, each part that it is about once."""
        subject = check.subject
        parts = values if subject is str else list(dict.fromkeys(map(subject, values)))
        terms.usage.saved_by_dedupe += len(values) - len(parts)
        return Round(subject, await self._desks[kind, check.name].ask(parts, terms))


def _results_of_one(
    records: Sequence[Record],
    field: str,
    verdicts: Sequence[Verdict | None],
    result: type[RecordResult],
) -> list[RecordResult]:
    """Return the results of records that have no other field than `field`."""
    # by position: naming the field would cost half as much again
    make = cast("Any", result)
    _ref, _index, _status, *fields, _verdicts = result.__struct_fields__
    before = (None,) * fields.index(field)
    after = (None,) * (len(fields) - len(before) - 1)
    return [
        make(record.ref, index, verdict.status, *before, verdict, *after, (verdict,))
        for index, (record, verdict) in enumerate(zip(records, verdicts, strict=True))
        if verdict is not None
    ]


def _results(
    records: Sequence[Record],
    columns: Mapping[str, Sequence[Verdict | None]],
    result: type[RecordResult],
) -> list[RecordResult]:
    results: list[RecordResult] = []
    for at, record in enumerate(records):
        fields = {field: found for field, column in columns.items() if (found := column[at])}
        verdicts = tuple(fields.values())
        status = worst([verdict.status for verdict in verdicts])
        results.append(
            result(record.ref, at, status, verdicts=verdicts, **fields)  # pyright: ignore[reportArgumentType] - each field's own kind
        )
    return results
