"""Marked values of every sort, none of which anybody has seen before, none to be mistaken."""

from collections.abc import Mapping
from enum import Enum
from random import Random
from typing import Any

from msgspec import Struct
from stdnum import iban
from stdnum.de import vat as german_vat
from stdnum.gb import vat as british_vat
from stdnum.iso7064 import mod_97_10

LETTERS = "bcdfghjkmnpqrstvwxz"
"""No vowels: no word of ours is among what they make."""
DIGITS = "0123456789"


class Sort(Enum):
    """What may not happen to a value."""

    RECORD = "a record's value"
    """Nobody but its owner gets it; where it is kept it is sealed."""
    SECRET = "a secret"
    """Nobody gets it, and it is kept nowhere but in the configuration."""
    LABEL = "a label"
    """What clients call their things by: batches, columns, fields, parameters, idempotency keys,
    their webhooks' URLs. The store of batches has these as they are, and who sent one is told it
    again. Nothing else has them."""


class Canary(Struct, frozen=True):
    """A value that must not be found; `text` is what of it would be."""

    what: str
    sort: Sort
    text: str


class Marks:
    """Makes values, and remembers them all."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.made: list[Canary] = []

    def noted(self, what: str, sort: Sort, text: str) -> str:
        """Remember a value that was made elsewhere; return it."""
        self.made.append(Canary(what, sort, text))
        return text

    def word(self, what: str, sort: Sort = Sort.RECORD) -> str:
        """Return a word that nobody says."""
        return self.noted(what, sort, self._some(LETTERS, 16))

    def number(self, what: str, begins: str, count: int) -> str:
        """Return a number as text."""
        return self.noted(what, Sort.RECORD, begins + self._some(DIGITS, count))

    def record(self) -> dict[str, Any]:
        """Return a record of every kind that there is, well-formed: all of it is sent on."""
        return {
            "ref": self.word("ref"),
            "email": f"{self.word('email')}@{self.word('domain')}.example.org",
            "phone": {"number": f"+46{self.number('phone', '70', 7)}"},
            "vatNumber": self._vat("GB", british_vat),
            "iban": self._iban(),
            "lei": self._lei(),
            "company": {
                "number": self.number("company number", "OC", 6),
                "name": self.word("company name"),
                "jurisdiction": "GB",
            },
            "address": {
                "lines": [f"1 {self.word('street')} Street"],
                "locality": self.word("locality"),
                "postalCode": self._postcode(),
                "country": "GB",
            },
            "postcode": {"code": self._postcode(), "country": "GB"},
        }

    def records(self) -> list[dict[str, Any]]:
        """Return records, some of them with values that are none."""
        return [
            self.record(),
            {"ref": self.word("ref"), "vatNumber": self._vat("DE", german_vat)},
            {"email": f"{self.word('email twice at')}@@{self.word('email twice at')}.example"},
            {"email": f"{self.word('email with NUL')}\x00@x.example"},
            {"phone": {"number": f"+1 {self.word('phone of letters')}"}},
            {"iban": f"DE00{self.word('IBAN of letters')}", "lei": self.word("LEI of letters")},
            {"postcode": {"code": self.word("postcode of letters"), "country": "GB"}},
            {"vatNumber": f"FR{self.word('VAT number of letters')}"},
        ]

    def row(self) -> Mapping[str, str]:
        """Return a row of a file: an e-mail, and a column of its owner's."""
        return {
            "E-Mail": f"{self.word('email of a file')}@example.org",
            "ref": self.word("ref of a file"),
            "note": self.word("own column"),
        }

    def _some(self, letters: str, count: int) -> str:
        return "".join(self._random.choices(letters, k=count))

    def _vat(self, country: str, form: Any) -> str:  # noqa: ANN401 - a module of stdnum
        while not form.is_valid(number := self._some(DIGITS, 9)):
            pass
        return country + self.noted("VAT number", Sort.RECORD, number)

    def _iban(self) -> str:
        account = self.noted("IBAN", Sort.RECORD, self._some(DIGITS, 18))
        return f"DE{iban.calc_check_digits(f'DE00{account}')}{account}"

    def _lei(self) -> str:
        body = "5299" + self.noted("LEI", Sort.RECORD, self._some(LETTERS, 14).upper())
        return body + mod_97_10.calc_check_digits(body)

    def _postcode(self) -> str:
        area, end = self._some(LETTERS, 2).upper(), self._some(LETTERS, 2).upper()
        inward, outward = self._some(DIGITS, 2), self._some(DIGITS, 1)
        self.noted("postcode", Sort.RECORD, f"{area}{inward}{outward}{end}")
        return self.noted("postcode", Sort.RECORD, f"{area}{inward} {outward}{end}")
