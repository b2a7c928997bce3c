"""Records in, verdicts out: local checks, then the questions that are needed, then the policy."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, cast

from msgspec import Struct

from checks.kinds import KindModule
from questions.desk import Desk
from questions.remembered import Verdicts
from questions.terms import Terms
from verdicts.examined import Decided, Examined
from verdicts.kind import Check
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import Reason
from verdicts.record import Record
from verdicts.rule import decide, worst
from verdicts.verdict import RecordResult, Source, Status, Verdict

Needs = Mapping[str, Sequence[str]]
"""For each field of a record, the checks that have to be asked, in the order of the policy."""

Columns = Mapping[str, Sequence[Any]]
"""For each field that any record has, its value in each record, None where it has none."""


class EmptyRecordError(ValueError):
    """The record at `index` has no field to judge."""

    def __init__(self, index: int) -> None:
        super().__init__(f"record {index} has no field")
        self.index = index


class _Subject(Struct):
    """A canonical value and what providers said of it so far."""

    answers: list[Outcome]
    refuted: bool = False


class Judge:
    """Gives verdicts on records. One a process, for requests and batches alike."""

    def __init__(
        self,
        kinds: Sequence[KindModule],
        desks: Mapping[tuple[str, str], Desk],
        policies: Mapping[str, Sequence[str]],
    ) -> None:
        """`desks` holds one desk for each (kind, check) that is not local.

        `policies` names for each kind the checks that its status needs beside the local ones.
        """
        self.policies = policies
        self._kinds = {module.KIND.field: module for module in kinds}
        self._getters = [(field, attrgetter(field)) for field in self._kinds]
        self._desks = desks
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
            return _results_of_one(records, field, await works[0])
        judged = await asyncio.gather(*works)
        return _results(records, dict(zip(columns, judged, strict=True)))

    def _columns(self, records: Sequence[Record]) -> Columns:
        """Return the values of `records` by field, without the fields that none of them has."""
        columns: dict[str, list[Any]] = {}
        full = False
        for field, getter in self._getters:
            column = [getter(record) for record in records]
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
            distinct = dict.fromkeys(texts[index] for index in missing)
            terms.usage.saved_by_dedupe += (len(missing) - len(distinct)) * len(wanted)
            examined = [module.examine(text) for text in distinct]
            judged = dict(
                zip(distinct, await self._judge(module, examined, wanted, terms), strict=True)
            )
            for text, verdict in judged.items():
                known.remember(text, verdict, len(wanted))
            for index in missing:
                verdicts[index] = judged[texts[index]]
        return cast("list[Verdict]", verdicts)

    async def _judge(
        self,
        module: KindModule,
        examined: Sequence[Examined[Any]],
        wanted: Sequence[str],
        terms: Terms,
    ) -> list[Verdict]:
        """Ask what is `wanted` of every examined value that no local check refuted; decide."""
        kind = module.KIND
        asked = [check for check in kind.asked if check.name in wanted]
        subjects: dict[str, _Subject] = {}
        for one in examined:
            if one.canonical is None:
                terms.usage.saved_by_local_checks += len(asked)
            elif one.canonical in subjects:
                terms.usage.saved_by_dedupe += len(asked)
            else:
                subjects[one.canonical] = _Subject([])
        started = datetime.now(UTC)
        for check in asked:
            await self._ask(kind.name, check, subjects, terms)
        return [_verdict(module, one, subjects, started) for one in examined]

    async def _ask(
        self, kind: str, check: Check, subjects: Mapping[str, _Subject], terms: Terms
    ) -> None:
        """Ask `check` about every subject that nothing has refuted yet."""
        subject_of = check.subject
        about = {
            value: value if subject_of is str else subject_of(value)
            for value, subject in subjects.items()
            if not subject.refuted
        }
        if not about:
            return
        parts = dict.fromkeys(about.values())
        terms.usage.saved_by_dedupe += len(about) - len(parts)
        found = await self._desks[kind, check.name].ask(parts, terms)
        for value, part in about.items():
            outcome = found[part]
            subject = subjects[value]
            subject.answers.append(outcome)
            subject.refuted = outcome.conclusion is Conclusion.REFUTED


def _verdict(
    module: KindModule, one: Examined[Any], subjects: Mapping[str, _Subject], started: datetime
) -> Verdict:
    outcomes = one.outcomes
    decided_at: datetime | None = None
    expires_at: datetime | None = None
    source = Source.LOCAL
    if one.canonical is not None:
        answers = subjects[one.canonical].answers
        outcomes = (*outcomes, *answers)
        for answer in answers:
            found_at, until = answer.found_at, answer.expires_at
            if found_at is None:
                continue
            if found_at >= started:
                source = Source.PROVIDER
            elif source is Source.LOCAL:
                source = Source.CACHE
            if decided_at is None or found_at < decided_at:
                decided_at = found_at
            if until is not None and (expires_at is None or until < expires_at):
                expires_at = until
    status, reasons = Status.VALID, ()
    for outcome in outcomes:
        if outcome.conclusion is not Conclusion.CONFIRMED or outcome.reasons:
            status, reasons = decide(outcomes), _reasons(outcomes)
            break
    return module.verdict(
        one, Decided(status, reasons, outcomes, decided_at or started, expires_at, source)
    )


def _reasons(outcomes: Iterable[Outcome]) -> tuple[Reason, ...]:
    return tuple(reason for outcome in outcomes for reason in outcome.reasons)


def _results_of_one(
    records: Sequence[Record], field: str, verdicts: Sequence[Verdict | None]
) -> list[RecordResult]:
    """Return the results of records that have no other field than `field`."""
    # by position: naming the field would cost half as much again
    make = cast("Any", RecordResult)
    _ref, _index, _status, *fields, _verdicts = RecordResult.__struct_fields__
    before = (None,) * fields.index(field)
    after = (None,) * (len(fields) - len(before) - 1)
    return [
        make(record.ref, index, verdict.status, *before, verdict, *after, (verdict,))
        for index, (record, verdict) in enumerate(zip(records, verdicts, strict=True))
        if verdict is not None
    ]


def _results(
    records: Sequence[Record], columns: Mapping[str, Sequence[Verdict | None]]
) -> list[RecordResult]:
    results: list[RecordResult] = []
    for at, record in enumerate(records):
        fields = {field: found for field, column in columns.items() if (found := column[at])}
        verdicts = tuple(fields.values())
        status = worst([verdict.status for verdict in verdicts])
        results.append(
            RecordResult(record.ref, at, status, verdicts=verdicts, **fields)  # pyright: ignore[reportArgumentType] - each field's own kind
        )
    return results
