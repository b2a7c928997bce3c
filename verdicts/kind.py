"""What sort of value a field holds: its checks, its policy, and which field needs which check."""

from collections.abc import Callable, Mapping

from msgspec import Struct


class Check(Struct, frozen=True):
    """One sort of question about a value.

    `local` checks need no network. `subject` cuts from the canonical value the part that the
    question is really about (the domain of an address), so that equal parts are asked once. An
    `optional` one leaves the verdict to the others as long as nobody is configured to answer it.
    """

    name: str
    description: str
    local: bool = False
    optional: bool = False
    subject: Callable[[str], str] = str


class Kind(Struct, frozen=True):
    """A sort of value: its name in the schema, its checks in the order of its policy.

    `meaning` says what VALID promises. `needs` maps each field of the verdict type that only a
    provider can fill, as a dotted path of Python names, to the check that fills it.
    """

    name: str
    field: str
    description: str
    meaning: str
    checks: tuple[Check, ...]
    needs: Mapping[str, str]

    @property
    def asked(self) -> tuple[Check, ...]:
        """The checks that need a provider, in the order of the policy."""
        return tuple(check for check in self.checks if not check.local)
