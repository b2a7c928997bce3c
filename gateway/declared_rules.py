"""What a declaration must keep to, beyond its shape: known parts, and no verdict out of nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import get_type_hints

from checks.kinds import KindModule, verdict_class
from gateway.declared_evidence import CheckPlan
from gateway.mistakes import Mistake, nearest
from providers.declared.answer_settings import StatusTable
from providers.declared.call_settings import CallTable
from providers.declared.reading import CONCLUSIONS, word_of
from providers.declared.template import JsonTemplate, Template
from providers.errors import ProtocolBroken
from verdicts.facts import attribute_of
from verdicts.outcome import Conclusion
from verdicts.verdict import Head

EMPTY: tuple[object, ...] = (None, {}, [], "")
"""Answers that say nothing: no rule may find a word or an absence in them."""
Keys = tuple[str, ...]


def mistakes_in(
    plan: CheckPlan, parts: Sequence[str], built_in: KindModule | None
) -> Iterator[Mistake]:
    """Yield what is wrong with one provider; `parts` are those of its kind's values."""
    keys: Keys = ("providers", plan.name)
    yield from _check_mistakes(plan, keys, built_in)
    for where, named in _named_parts(plan):
        for name in sorted(named - set(parts)):
            near = nearest(name, parts) or f"; there are {', '.join(parts)}"
            yield Mistake(
                (*keys, *where), f"values of kind {plan.key[0]} have no part {name!r}{near}"
            )
    absent = plan.table.answer.absent
    if absent is not None and absent.when is not None and any(map(absent.when.holds, EMPTY)):
        yield Mistake(
            (*keys, "answer", "absent", "when"),
            "holds for an empty answer too, which says nothing of a value; name what the service"
            " says when it knows of none",
        )
    yield from _status_mistakes(plan.table.answer.status, (*keys, "answer", "status"))


def _check_mistakes(plan: CheckPlan, keys: Keys, built_in: KindModule | None) -> Iterator[Mistake]:
    """Yield why the check can't be one of its kind."""
    where = (*keys, "check") if plan.table.check is not None else keys
    name = plan.key[1]
    if not (name.isascii() and name.isidentifier() and name[0].islower()):
        yield Mistake(where, f"{name!r} can't be the name of a check; set `check`")
        return
    own = {check.name: check for check in built_in.KIND.checks} if built_in is not None else {}
    local = {"syntax"} | {check.name for check in own.values() if check.local}
    if name in local or (name in own and plan.holder is None):
        yield Mistake(where, f"{name} of kind {plan.key[0]} is not a check for other services")
    elif plan.holder is None:
        shown = get_type_hints(verdict_class(built_in) if built_in is not None else Head)
        if attribute_of(name) in shown:
            yield Mistake(where, f"a verdict has a field {name!r} already; set another `check`")


def _named_parts(plan: CheckPlan) -> Iterator[tuple[Keys, frozenset[str]]]:
    """Yield every place that names parts of a value, and which."""
    table = plan.table
    if table.call is not None:
        for where, template in _templates(table.call):
            yield ("call", *where), template.names
    if table.bulk_call is not None:
        yield ("bulk_call", "each"), table.bulk_call.each.names
    yield ("answer", "about_value"), table.answer.about_value.names
    for name in table.serves:
        yield ("serves", name), frozenset({name})


def _templates(call: CallTable) -> Iterator[tuple[Keys, Template | JsonTemplate]]:
    yield ("path",), call.path
    groups: Mapping[str, Mapping[str, Template]] = {
        "query": call.query,
        "headers": call.headers,
        "form": call.form or {},
    }
    for group, templates in groups.items():
        for name, template in templates.items():
            yield (group, name), template
    if call.json_body is not None:
        yield ("json",), call.json_body


def _status_mistakes(status: StatusTable, keys: Keys) -> Iterator[Mistake]:
    for empty in EMPTY:
        try:
            word = word_of(status, empty)
        except ProtocolBroken:
            continue
        if word is None or word not in status.map:
            continue
        if CONCLUSIONS[status.map[word]] is not Conclusion.UNDECIDED:
            yield Mistake(
                (*keys, "read"),
                f"finds {word!r} in an empty answer too, which would be {status.map[word]} out of"
                " nothing; read a word that the service says",
            )
            return
