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

    def open(self, values: Iterable[str], terms: Terms) -> None:
        """Take note that `values` are asked about on `terms`; those of the usual ones need none.

        All who ask on the same terms until `gathered` are one asker.
        """
        if not terms.usual:
            key = terms.priority, terms.tenant
            asker = self._gathering.setdefault(key, Asker(*key))
            self._by_value.update(dict.fromkeys(values, asker))

    def join(self, values: Iterable[str], terms: Terms) -> None:
        """Let open questions be as urgent as the most urgent of those who wait for them."""
        if self._by_value and terms.priority is Priority.INTERACTIVE:
            for value in values:
                asker = self._by_value.get(value)
                if asker is not None:
                    asker.hurry(value)

    def close(self, values: Iterable[str]) -> None:
        """Forget who asked about `values`."""
        if self._by_value:
            for value in values:
                self._by_value.pop(value, None)

    def gathered(self) -> None:
        """Let those who ask from now on ask for themselves."""
        self._gathering = {}

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
