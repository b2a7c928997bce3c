"""How each rule of a declaration read an answer, for a person who writes one."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from providers.declared.conversation import DeclaredService, Item
from providers.declared.quota import number_of
from providers.declared.reading import word_of
from providers.errors import ProtocolBroken
from providers.exchange import Answer


class Step(Struct, frozen=True):
    """One rule: its key below `[providers.NAME.answer]`, its text, what it found, what that means.

    `broken` says that the rule could not work with the answer.
    """

    rule: str
    text: str
    found: Any = None
    means: str = ""
    broken: bool = False


def trace(service: DeclaredService, value: str, answer: Answer) -> Iterator[Step]:
    """Yield how each rule of `service` reads `answer` about `value`, in the order of the rules."""
    applied = service.errors.rule_of(answer)
    for number, rule in enumerate(service.errors.rules):
        text = " and ".join(
            part
            for part in (
                f"HTTP {', '.join(map(str, rule.statuses))}" if rule.statuses else "",
                rule.when.text if rule.when is not None else "",
            )
            if part
        )
        held = rule is applied
        means = rule.fault.code.value if held else "does not hold"
        yield Step(f"errors.{number}", text, held, means)
        if held:
            return
    fault = service.fault_of(answer)
    means = "an answer about the value" if fault is None else fault.code.value
    heard = ", ".join(str(int(status)) for status in sorted(service.errors.heard))
    yield Step("success", heard, answer.status, means)
    if fault is None:
        try:
            items = service.items((value,), answer)
        except ProtocolBroken as error:
            yield Step("item", service.table.answer.item.text, means=str(error), broken=True)
            return
        for _, one in items:
            yield from _of_item(service, one)
        yield from _of_quota(service, answer)


def _of_item(service: DeclaredService, one: Item) -> Iterator[Step]:
    table, reading = service.table.answer, service.reading
    yield Step("item", table.item.text, one.item)
    if table.absent is not None and table.absent.when is not None:
        absent = reading.is_absent(one.item, one.whole)
        means = f"{table.absent.status} ({table.absent.reason.value})" if absent else "not absent"
        yield Step("absent.when", table.absent.when.text, absent, means)
        if absent:
            return
    if table.about is not None:
        yield _read("about", table.about.text, lambda: table.about and table.about.read(one.item))
    yield _status(service, one)
    if table.reasons is not None:
        map_ = table.reasons.map
        step = _read("reasons", table.reasons.read.text, lambda: reading.reason_words(one.item))
        codes = [map_[word].value for word in step.found or () if word in map_]
        yield Step(step.rule, step.text, step.found, ", ".join(codes) or "no reason", step.broken)
    for fact in reading.sheet.facts:
        rule = f"evidence.{fact.fact.shown}"
        sort = f"[{fact.fact.sort.value}]" if fact.fact.listed else fact.fact.sort.value
        step = _read(rule, fact.read.text, lambda fact=fact: fact.value(one.item))
        yield Step(step.rule, step.text, step.found, step.means or sort, step.broken)


def _status(service: DeclaredService, one: Item) -> Step:
    table = service.table.answer.status
    step = _read("status", table.read.text, lambda: word_of(table, one.item))
    if step.broken:
        return step
    word = table.map.get(step.found or "")
    means = word or f"{table.default} ({table.default_reason.value})"
    return Step(step.rule, step.text, step.found, means)


def _of_quota(service: DeclaredService, answer: Answer) -> Iterator[Step]:
    quota = service.table.answer.quota
    if quota is None:
        return
    for name, source in (("remaining", quota.remaining), ("reset", quota.reset)):
        text = source.header or (source.read.text if source.read is not None else "")
        yield Step(f"quota.{name}", text, number_of(source, answer))
    left_s = service.exhausted_for_s(answer)
    yield Step("quota", "", left_s, "calls are left" if left_s is None else f"pause {left_s:.0f} s")


def _read(rule: str, text: str, read: Any) -> Step:  # noqa: ANN401 - what reads, without arguments
    try:
        return Step(rule, text, read())
    except ProtocolBroken as error:
        return Step(rule, text, means=str(error), broken=True)
