"""The kinds that are built in. A kind is a module with these four verbs and names."""

from typing import Any, Protocol

from checks import email, iban, lei, phone, postcode, vat
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


KINDS: tuple[KindModule, ...] = (email, phone, vat, iban, lei, postcode)
