"""Which checks a selection needs, by kind: pure, so every path is tried."""

from collections.abc import Mapping

import pytest
from msgspec import Struct

from checks.kinds import KINDS
from resolvers.selection import NEEDS_KEPT_MAX, POLICY_FIELDS, NeedsPlanner, needs_of, verdict_type
from verdicts.consistency import NEEDS
from verdicts.kind import Kind

ALL = [module.KIND for module in KINDS]
POLICIES = {kind.name: [check.name for check in kind.asked] for kind in ALL}


class Picked(Struct, frozen=True):
    """A selection, written by hand."""

    fields: Mapping[str, "Picked"] = {}
    types: Mapping[str, "Picked"] = {}
    paths: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        return hash((tuple(self.fields), tuple(self.types), self.paths))


def paths(*names: str) -> Picked:
    return Picked(paths=frozenset(names))


def needs(**fields: Picked) -> dict[str, list[str]]:
    """Return what is needed, without the kinds that need nothing."""
    found = needs_of(Picked(fields), ALL, POLICIES)
    return {name: list(checks) for name, checks in found.items() if checks}


def test_nothing_selected_needs_nothing() -> None:
    assert needs_of(None, ALL, POLICIES) == {}
    assert needs() == {}
    assert needs(ref=Picked(), index=Picked()) == {}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_each_fact_needs_its_check_and_no_other(kind: Kind) -> None:
    assert needs(**{kind.field: paths("normalized", "source", "kind", "input")}) == {}
    for path, check in kind.needs.items():
        assert needs(**{kind.field: paths(path, "normalized")}) == {kind.field: [check]}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
@pytest.mark.parametrize("name", sorted(POLICY_FIELDS))
def test_what_the_policy_decides_needs_all_of_it_in_its_order(kind: Kind, name: str) -> None:
    expected = {kind.field: POLICIES[kind.name]} if POLICIES[kind.name] else {}
    assert needs(**{kind.field: paths(name)}) == expected
    assert needs(**{kind.field: paths(name, *kind.needs)}) == expected


def test_the_status_of_a_record_needs_the_policy_of_every_kind() -> None:
    assert needs(status=Picked()) == {
        kind.field: POLICIES[kind.name] for kind in ALL if POLICIES[kind.name]
    }


def test_the_interface_needs_for_each_type_what_is_selected_on_it() -> None:
    interface = Picked(
        types={"EmailVerdict": paths("domain.mx"), "LeiVerdict": paths("status")},
        paths=frozenset({"domain.mx", "status"}),
    )
    found = needs(verdicts=interface)
    assert (found["email"], found["lei"]) == (["domain"], ["registry"])


def test_what_is_selected_on_the_interface_itself_is_needed_of_every_kind() -> None:
    found = needs(verdicts=paths("reasons"))
    assert found == needs(status=Picked())


def test_both_ways_to_a_verdict_count_together() -> None:
    found = needs(email=paths("domain.mx"), verdicts=Picked(types={"EmailVerdict": paths()}))
    assert found == {"email": ["domain"]}
    found = needs(
        email=paths("domain.mx"),
        verdicts=Picked(types={"EmailVerdict": paths("mailbox.role", "mailbox.deliverable")}),
    )
    assert found["email"] == ["domain", "mailbox"]


def test_a_policy_of_the_settings_is_the_one_that_counts() -> None:
    policies = {**POLICIES, "email": ["domain"]}
    selection = Picked({"email": paths("status")})
    assert list(needs_of(selection, ALL, policies)["email"]) == ["domain"]


def test_a_fact_outside_the_policy_is_needed_beside_the_status() -> None:
    policies = {**POLICIES, "email": ["domain"]}
    selection = Picked({"email": paths("status", "mailbox.deliverable")})
    assert list(needs_of(selection, ALL, policies)["email"]) == ["domain", "mailbox"]
    everything = Picked({"status": Picked(), "email": paths("mailbox.deliverable")})
    assert list(needs_of(everything, ALL, policies)["email"]) == ["domain", "mailbox"]


def test_a_selection_that_comes_again_is_planned_once_and_memory_is_bounded() -> None:
    planner = NeedsPlanner(ALL, POLICIES)
    selection = Picked({"results": Picked({"status": Picked()})})
    assert planner.of(selection) is planner.of(selection)
    for at in range(NEEDS_KEPT_MAX + 10):
        planner.of(
            Picked({"results": Picked({f"alias{at}": Picked()})}, paths=frozenset({str(at)}))
        )
    assert planner.of(selection) == planner.of(selection)


def test_types_are_named_after_their_kinds() -> None:
    assert [verdict_type(kind) for kind in ALL[:3]] == [
        "EmailVerdict",
        "PhoneVerdict",
        "VatNumberVerdict",
    ]


def test_findings_need_the_registers_that_hold_a_side_and_nothing_else() -> None:
    registers = {"vat_number": ["registry"], "lei": ["registry"], "company": ["registry"]}
    assert needs(consistency=paths("score")) == registers
    assert needs(consistency=Picked(), email=paths("domain.mx")) == {
        "email": ["domain"],
        **registers,
    }
    for field, filled in NEEDS.items():
        (kind,) = (kind for kind in ALL if kind.field == field)
        assert set(filled) <= set(kind.needs)
