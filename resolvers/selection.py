"""Which checks a selection needs: what nobody asked to see is never paid for."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from cache.bounded import Bounded
from questions.judging import Needs
from verdicts import consistency
from verdicts.kind import Kind

POLICY_FIELDS = frozenset({"status", "reasons", "outcomes"})
"""Fields of a verdict that are only true when its whole policy has run."""
NEEDS_KEPT_MAX = 512


class Selected(Protocol):
    """What was selected below a field, by Python name; see schema.lane.selection."""

    @property
    def fields(self) -> Mapping[str, "Selected"]:
        """What was selected below each field."""
        ...

    @property
    def types(self) -> Mapping[str, "Selected"]:
        """The same for each concrete type of an interface, by its GraphQL name."""
        ...

    @property
    def paths(self) -> frozenset[str]:
        """Every selected field as a dotted path."""
        ...


class NeedsPlanner:
    """Finds the needs of a selection, once for each that comes again."""

    def __init__(self, kinds: Sequence[Kind], policies: Mapping[str, Sequence[str]]) -> None:
        """Plan for `kinds` with these `policies`."""
        self._kinds = tuple(kinds)
        self._policies = policies
        self._planned: Bounded[Selected, Needs] = Bounded(NEEDS_KEPT_MAX)

    def of(self, selected: Selected) -> Needs:
        """Return the needs of what was selected on `validate`."""
        planned = self._planned.get(selected)
        if planned is None:
            planned = needs_of(selected.fields.get("results"), self._kinds, self._policies)
            self._planned.put(selected, planned)
        return planned


def verdict_type(kind: Kind) -> str:
    """Return the GraphQL name of the type that `kind`'s verdicts have."""
    return f"{kind.name[0].upper()}{kind.name[1:]}Verdict"


def needs_of(
    results: Selected | None, kinds: Sequence[Kind], policies: Mapping[str, Sequence[str]]
) -> Needs:
    """Return for each kind's field the checks that the selection on `results` needs.

    `status`, `reasons` and `outcomes` need the whole policy (`policies`, by kind), of a record's
    status that of every kind in it; any other field needs the check that fills it, or nothing. What
    is outside the policy is asked for its field alone: it does not count in the status.
    `consistency` needs what fills the fields that it compares.
    """
    if results is None:
        return {}
    everything = "status" in results.fields
    compared = "consistency" in results.fields
    through_interface = results.fields.get("verdicts")
    needs: dict[str, Sequence[str]] = {}
    for kind in kinds:
        paths = set(consistency.NEEDS.get(kind.field, ()) if compared else ())
        own = results.fields.get(kind.field)
        if own is not None:
            paths.update(own.paths)
        if through_interface is not None:
            of_type = through_interface.types.get(verdict_type(kind), through_interface)
            paths.update(of_type.paths)
        wanted = {check for path, check in kind.needs.items() if path in paths}
        if everything or paths & POLICY_FIELDS:
            wanted.update(policies[kind.name])
        needs[kind.field] = [check.name for check in kind.asked if check.name in wanted]
    return needs
