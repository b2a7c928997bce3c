"""Records in, verdicts out: local checks, then the questions that are needed, then the policy."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from checks.kinds import KindModule
from questions.desk import Desk, Terms
from verdicts.examined import Decided, Examined
from verdicts.kind import Check
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import Reason
from verdicts.record import Record
from verdicts.rule import decide, worst
from verdicts.verdict import RecordResult, Source, Verdict

Needs = Mapping[str, Sequence[str]]
"""For each field of a record, the checks that have to be asked, in the order of the policy."""


class _Subject(Struct):
    """A canonical value and what was found of it so far."""

    outcomes: list[Outcome]
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
        self.kinds = {module.KIND.field: module for module in kinds}
        self.policies = policies
        self._desks = desks

    async def judge(
        self, records: Sequence[Record], needs: Needs, terms: Terms
    ) -> list[RecordResult]:
        """Return a result for each of `records`, in their order, within `terms.deadline`."""
        terms.usage.records += len(records)
        given: dict[str, list[tuple[int, Any]]] = {}
        for at, record in enumerate(records):
            for field in self.kinds:
                value = getattr(record, field)
                if value is not None:
                    given.setdefault(field, []).append((at, value))
        columns = await self._columns(given, needs, terms)
        fields: list[dict[str, Verdict]] = [{} for _ in records]
        for field, column in zip(given, columns, strict=True):
            for (at, _), verdict in zip(given[field], column, strict=True):
                fields[at][field] = verdict
        return [_result(record, at, fields[at]) for at, record in enumerate(records)]

    async def _columns(
        self, given: Mapping[str, Sequence[tuple[int, Any]]], needs: Needs, terms: Terms
    ) -> list[list[Verdict]]:
        """Judge each kind's values, all kinds at once."""
        works = [
            self._column(self.kinds[field], [value for _, value in column], needs, terms)
            for field, column in given.items()
        ]
        if len(works) == 1:
            return [await works[0]]
        return list(await asyncio.gather(*works))

    async def _column(
        self, module: KindModule, values: Sequence[Any], needs: Needs, terms: Terms
    ) -> list[Verdict]:
        kind = module.KIND
        wanted = needs.get(kind.field, ())
        asked = [check for check in kind.asked if check.name in wanted]
        examined = _examine(module, values)
        subjects: dict[str, _Subject] = {}
        for one in examined:
            if one.canonical is None:
                terms.usage.saved_by_local_checks += len(asked)
            elif one.canonical in subjects:
                terms.usage.saved_by_dedupe += len(asked)
            else:
                subjects[one.canonical] = _Subject(list(one.outcomes))
        started = datetime.now(UTC)
        for check in asked:
            await self._ask(kind.name, check, subjects, terms)
        verdicts: dict[int, Verdict] = {}
        return [
            verdicts.get(id(one))
            or verdicts.setdefault(id(one), _verdict(module, one, subjects, started))
            for one in examined
        ]

    async def _ask(
        self, kind: str, check: Check, subjects: Mapping[str, _Subject], terms: Terms
    ) -> None:
        """Ask `check` about every subject that nothing has refuted yet."""
        about = {
            value: check.subject(value)
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
            subject.outcomes.append(outcome)
            subject.refuted = outcome.conclusion is Conclusion.REFUTED


def _examine(module: KindModule, values: Iterable[Any]) -> list[Examined[Any]]:
    """Examine each distinct text once; composite values each for itself."""
    texts: dict[str, Examined[Any]] = {}
    examined: list[Examined[Any]] = []
    for value in values:
        if isinstance(value, str):
            one = texts.get(value)
            if one is None:
                one = texts[value] = module.examine(value)
        else:
            one = module.examine(value)
        examined.append(one)
    return examined


def _verdict(
    module: KindModule, one: Examined[Any], subjects: Mapping[str, _Subject], started: datetime
) -> Verdict:
    outcomes = one.outcomes
    decided_at, expires_at, source = started, None, Source.LOCAL
    if one.canonical is not None:
        outcomes = tuple(subjects[one.canonical].outcomes)
        for outcome in outcomes:
            if outcome.found_at is None:
                continue
            decided_at = min(decided_at, outcome.found_at)
            if outcome.expires_at is not None:
                expires_at = min(expires_at or outcome.expires_at, outcome.expires_at)
            if outcome.found_at >= started:
                source = Source.PROVIDER
            elif source is Source.LOCAL:
                source = Source.CACHE
    reasons: list[Reason] = []
    for outcome in outcomes:
        reasons.extend(outcome.reasons)
    return module.verdict(
        one,
        Decided(decide(outcomes), tuple(reasons), outcomes, decided_at, expires_at, source),
    )


def _result(record: Record, index: int, fields: Mapping[str, Verdict]) -> RecordResult:
    verdicts = tuple(fields.values())
    return RecordResult(
        ref=record.ref,
        index=index,
        status=worst([verdict.status for verdict in verdicts]),
        verdicts=verdicts,
        **fields,  # pyright: ignore[reportArgumentType] - each field holds its own kind's verdict
    )
