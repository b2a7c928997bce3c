"""For whom open questions are asked, where that is not the usual: for a batch, for some tenant."""

from collections.abc import Iterable

from providers.priority import Asker, Priority
from questions.terms import Terms


class Askers:
    """The askers of a desk's open questions; most have none, and cost nothing here."""

    def __init__(self) -> None:
        """Know of nobody."""
        self._by_value: dict[str, Asker] = {}
        self._gathering: dict[tuple[Priority, str], Asker] = {}

    def __bool__(self) -> bool:
        return bool(self._by_value)

    def of(self, terms: Terms) -> Asker | None:
        """Return who asks on `terms`, with all who do so until `gathered`; None for the usual."""
        if terms.usual:
            return None
        key = terms.priority, terms.tenant
        return self._gathering.setdefault(key, Asker(*key))

    def gathered(self) -> None:
        """Let those who ask from now on ask for themselves."""
        self._gathering = {}

    def open(self, value: str, asker: Asker) -> None:
        """Take note that `value` is asked about for `asker`."""
        self._by_value[value] = asker

    def join(self, value: str, terms: Terms) -> None:
        """Let an open question be as urgent as the most urgent of those who wait for it."""
        asker = self._by_value.get(value)
        if asker is not None and terms.priority is Priority.INTERACTIVE:
            asker.hurry(value)

    def close(self, value: str) -> None:
        """Forget who asked about `value`."""
        self._by_value.pop(value, None)

    def shares(self, values: Iterable[str]) -> Iterable[tuple[Asker, list[str]]]:
        """Return `values` by whom they are asked for."""
        usual = Asker()
        if not self._by_value:
            return [(usual, list(values))]
        shares: dict[int, tuple[Asker, list[str]]] = {}
        for value in values:
            asker = self._by_value.get(value, usual)
            shares.setdefault(id(asker), (asker, []))[1].append(value)
        return shares.values()
