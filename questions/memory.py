"""What one judge and its desks know about values: under which names, and how to forget it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from checks.kinds import KindModule, forms_of
from questions.judging import Judge


class Remembering(Protocol):
    """A desk, as far as its memory goes."""

    def names(self, value: str) -> bytes:
        """Return under which digest the outcome about a canonical `value` is kept."""
        ...

    @property
    def unsaved(self) -> bool:
        """Whether what was found lies in this process alone."""
        ...

    def drop(self) -> None:
        """Remember nothing of what is known."""
        ...


class Memory:
    """The memory of one judge."""

    def __init__(
        self,
        kinds: Sequence[KindModule],
        desks: Mapping[tuple[str, str], Remembering],
        judge: Judge,
    ) -> None:
        """Know `desks`, one for each (kind, check) that is not local, and the `judge` over them."""
        self._kinds = kinds
        self._desks = desks
        self._judge = judge

    def names(self, text: str, kind: str | None = None) -> list[bytes]:
        """Return the digests of all questions about `text` as a whole, of `kind` or of any.

        It may be a value as sent, or in its canonical form. What concerns only a part that many
        values share, such as the domain of an address, is not among them.
        """
        found: dict[bytes, None] = {}
        for module in self._kinds:
            if kind not in {None, module.KIND.name}:
                continue
            values = forms_of(module, text)
            for check in module.KIND.asked:
                if check.subject is str:
                    desk = self._desks[module.KIND.name, check.name]
                    found.update((desk.names(value), None) for value in values)
        return list(found)

    def unsaved(self) -> bool:
        """Return whether anything that was found would be lost with this process."""
        return any(desk.unsaved for desk in self._desks.values())

    def drop(self) -> None:
        """Remember nothing of what was decided or found before."""
        self._judge.drop()
        for desk in self._desks.values():
            desk.drop()
