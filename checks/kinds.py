"""The kinds that are built in. A kind is a module with the three names of `KindModule`."""

from itertools import product
from string import ascii_uppercase
from types import NoneType
from typing import Any, Protocol, get_args, get_type_hints

from msgspec import Struct

from checks import address, company, email, iban, lei, phone, postcode, vat
from checks.countries import country_form
from verdicts.examined import Decided, Examined
from verdicts.kind import Kind
from verdicts.verdict import Verdict


class KindModule(Protocol):
    """What a module must hold to be a kind."""

    @property
    def KIND(self) -> Kind: ...  # noqa: N802 - a module's constant

    def examine(self, value: Any, /) -> Examined[Any]:  # noqa: ANN401 - each kind has its own
        """Return the canonical value and what the local checks found."""
        ...

    def verdict(self, examined: Examined[Any], decided: Decided, /) -> Verdict:
        """Return the verdict of this kind."""
        ...


# In the order in which the schema shows them.
KINDS: tuple[KindModule, ...] = (email, phone, vat, iban, lei, company, address, postcode)

_BY_NAME = {module.KIND.name: module for module in KINDS}
_BY_FIELD = {module.KIND.field: module for module in KINDS}


def kind_of(name: str) -> KindModule:
    """Return the kind called `name` in the schema (`vatNumber`). Raise KeyError for no kind."""
    return _BY_NAME[name]


def kind_of_field(field: str) -> KindModule:
    """Return the kind of the record's `field` (`vat_number`). Raise KeyError for no field."""
    return _BY_FIELD[field]


def verdict_class(module: KindModule) -> type[Struct]:
    """Return the class of verdict that a kind builds, which its `verdict` is annotated with."""
    return get_type_hints(module.verdict)["return"]


def forms_of(module: KindModule, text: str) -> set[str]:
    """Return `text` and, where it is as a whole a value of the kind, its canonical form."""
    try:
        canonical = module.examine(text).canonical
    except (AttributeError, TypeError):  # of a kind whose values are more than a text
        canonical = None
    return {text} if canonical is None else {text, canonical}


def load() -> None:
    """Read every list and table that the kinds otherwise read at their first value.

    Takes a few tenths of a second and reads files: call it before serving, off the event loop.
    Raise FileNotFoundError when set-up did not fetch a list; the message says what to run.
    """
    email.role_accounts()
    iban.examine("GB33BUKB20201555555555")
    for letters in product(ascii_uppercase, repeat=2):
        country_form("".join(letters))


def _assert_consistent(module: KindModule) -> None:
    """Hold a kind against its verdict class: a typing error must stop the start, not a request."""
    kind = module.KIND
    checks = [check.name for check in kind.checks]
    assert len(set(checks)) == len(checks), f"{kind.name}: check names are unique"
    for path, check in kind.needs.items():
        assert check in {asked.name for asked in kind.asked}, f"{kind.name}: no check {check}"
        owner: Any = verdict_class(module)
        for name in path.split("."):
            fields = get_type_hints(owner)
            assert name in fields, f"{kind.name}: {owner.__name__} has no field {name}"
            owner = next((part for part in _members(fields[name]) if part is not NoneType), None)


def _members(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations have no one type
    return get_args(annotation) or (annotation,)


assert len(_BY_NAME) == len(_BY_FIELD) == len(KINDS), "names and fields of kinds are unique"
for _module in KINDS:
    _assert_consistent(_module)
