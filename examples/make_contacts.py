"""Makes `examples/contacts.csv`: the same made-up contacts every time.

`python -m examples.make_contacts` writes the file anew. Nobody in it exists: domains are those of
RFC 2606, phone numbers come from ranges that Ofcom, the Bundesnetzagentur and North America keep
for fiction, LEIs carry the sandbox's own prefix; check digits are computed. What a row lacks or
gets wrong is on purpose, and so are some values that the sandbox answers in a certain way.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from stdnum import luhn
from stdnum.iso7064 import mod_11_10

ROWS = 2400
SEED = 20_261_123
PATH = Path(__file__).with_name("contacts.csv")
COLUMNS: tuple[str, ...] = (
    "id",
    "name",
    "email",
    "phone",
    "country",
    "vat_number",
    "iban",
    "lei",
    "company_number",
    "postcode",
)
DUPLICATE_SHARE = 0.3

GIVEN = ("Zoë", "Jürgen", "Ana", "Søren", "Chloé", "Łukasz", "Mary", "Tom", "Inés", "Günther",
         "Aoife", "Björn", "Élodie", "Paolo", "Ruth", "Sam", "Nuria", "Håkon", "Grace", "Otto",
         "Ella", "Ivan", "Mia", "Noël", "Olga", "Pia", "Quentin", "Rosa", "Stefan")  # fmt: skip
FAMILY = ("Müller", "O'Neill", "García", "Ångström", "Dvořák", "Smith", "Brandt", "Lefèvre",
          "Rossi", "Nowak", "Jones", "Weiß", "Núñez", "Haas", "Kowalski", "Taylor", "de Vries",
          "Öztürk", "Conti", "Larsen", "Fischer", "Moreau", "Bianchi", "Schäfer")  # fmt: skip
ASCII = str.maketrans({"ë": "e", "ü": "ue", "ø": "o", "é": "e", "É": "E", "Ł": "L", "ł": "l",
                       "ö": "oe", "å": "a", "Å": "A", "ř": "r", "á": "a", "í": "i", "è": "e",
                       "ß": "ss", "ú": "u", "ñ": "n", "Ö": "Oe", "ä": "ae", "'": None,
                       " ": "-"})  # fmt: skip
DOMAINS = ("example.org", "example.net", "mail.example.org", "post.example.net",
           "büro.example.org", "firma.example", "acme.example", "shop.example")  # fmt: skip
COUNTRIES = ("GB",) * 9 + ("DE",) * 5 + ("FR", "IT", "AT", "BE", "US", "NL")
POSTCODES = ("LS1 4AP", "SW1A 2AA", "EC1A 1BB", "M1 1AE", "B33 8TH", "CR2 6XH", "DN55 1PT",
             "W1A 0AX", "BS1 5TR", "EH1 1YZ", "CF10 1EP", "BT1 5GS", "G2 1DU", "NE1 4LP",
             "L1 8JQ", "S1 2HE", "YO1 7HH", "BA1 1LT", "OX1 3BG", "CB2 3QZ")  # fmt: skip

MAGIC: tuple[dict[str, str], ...] = (
    {"email": "valid@example.com"},
    {"email": "mailbox_not_found@example.com"},
    {"email": "mailbox_quota_exceeded@example.com"},
    {"email": "catch_all@example.com"},
    {"email": "disposable@example.com"},
    {"email": "possible_typo@example.com"},
    {"email": "greylisted@example.com"},
    {"email": "somebody@nxdomain.example.net"},
    {"email": "somebody@null-mx.example.net"},
    {"phone": "+46701740613"},
    {"phone": "+46701740625"},
    {"vat_number": "FR88100000009", "country": "FR"},
    {"vat_number": "DE100002006", "country": "DE"},
    {"vat_number": "GB100000230", "country": "GB"},
    {"vat_number": "GB100000328", "country": "GB"},
    {"lei": "SBOX00LAPSED00000088"},
    {"lei": "SBOX00MERGED00000051"},
    {"lei": "SBOX00MISSING0000003"},
    {"company_number": "SC000101", "country": "GB"},
)
"""Values that the sandbox knows; see docs/sandbox.md."""

T = TypeVar("T")
Row = dict[str, str]


class Dice:
    """Draws, by `Random.random` alone, whose numbers no version of Python changes."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return int(self._random.random() * limit)

    def chance(self, share: float) -> bool:
        """Return True in `share` of all cases."""
        return self._random.random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of `choices`."""
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        """Return so many digits, the first not 0."""
        return str(10 ** (count - 1) + self.below(9 * 10 ** (count - 1)))


def phone(dice: Dice, country: str) -> str:
    """Return a phone number as people write it, from a range that is kept for fiction."""
    number = f"{dice.below(110):03}"
    if country == "GB":
        area = dice.pick(("20 7946 0", "161 496 0", "117 496 0"))
        return dice.pick((f"+44 {area}{number}", f"0{area}{number}"))
    if country == "DE":
        return dice.pick((f"+49 30 23125 {number}", f"030 / 23125-{number}"))
    return f"+1 (202) 555-01{dice.below(100):02}"


def vat_number(dice: Dice, country: str) -> str:
    """Return a VAT number with right check digits; empty where this script knows no rule."""
    digits = dice.digits(8)
    if country == "DE":
        return f"DE{digits}{mod_11_10.calc_check_digit(digits)}"
    if country == "BE":
        digits = "0" + digits[:7]
        return f"BE{digits}{97 - int(digits) % 97:02}"
    if country == "IT":
        digits = f"{digits[:7]}{dice.below(100) + 1:03}"
        return f"IT{digits}{luhn.calc_check_digit(digits)}"
    if country == "GB" and dice.chance(0.05):  # HMRC takes three a second
        total = sum(
            int(digit) * weight for digit, weight in zip(digits, range(8, 1, -1), strict=False)
        )
        return f"GB{digits[:7]}{97 - total % 97:02}"
    return ""


def iban(dice: Dice, country: str) -> str:
    """Return an IBAN of a bank that does not exist, with right check digits."""
    if country == "GB":
        account = "TEST" + dice.digits(14)
    elif country == "DE":
        account = dice.digits(18)
    else:
        country, account = "AT", dice.digits(16)
    return f"{country}{98 - mod_97(f'{account}{country}00'):02}{account}"


def lei(dice: Dice) -> str:
    """Return an LEI with the sandbox's prefix and right check digits (ISO 17442)."""
    body = f"SBOX00{dice.below(36**4):012X}"
    return f"{body}{98 - mod_97(body + '00'):02}"


def mod_97(text: str) -> int:
    """Return ISO 7064's remainder of `text`, letters counting from 10 on."""
    return int("".join(str(int(letter, 36)) for letter in text)) % 97


def person(dice: Dice) -> Row:
    """Return a contact of whom everything that is there is right."""
    given, family, country = dice.pick(GIVEN), dice.pick(FAMILY), dice.pick(COUNTRIES)
    local = f"{given}.{family}".translate(ASCII).lower()
    if dice.chance(0.6):
        local += dice.pick((str(dice.below(90) + 10), f"+{dice.pick(('shop', 'news', 'x'))}"))
    row = dict.fromkeys(COLUMNS, "")
    row |= {"name": f"{given} {family}", "country": country}
    row["email"] = f"{local}@{dice.pick(DOMAINS)}" if dice.chance(0.92) else ""
    row["phone"] = (
        phone(dice, country) if dice.chance(0.6) and country in {"GB", "DE", "US"} else ""
    )
    row["vat_number"] = vat_number(dice, country) if dice.chance(0.35) else ""
    row["iban"] = iban(dice, country) if dice.chance(0.4) else ""
    row["lei"] = lei(dice) if dice.chance(0.12) else ""
    if country == "GB":
        row["company_number"] = f"98{dice.digits(6)}" if dice.chance(0.15) else ""
        row["postcode"] = dice.pick(POSTCODES) if dice.chance(0.7) else ""
    return row


def _other_last_digit(value: str) -> str:
    return value[:-1] + str((int(value[-1]) + 1) % 10) if value[-1:].isdigit() else value


MISTAKES: dict[str, tuple[Callable[[str], str], ...]] = {
    "email": (
        lambda value: value.replace("@", ""),
        lambda value: value.replace("@", "@@"),
        lambda value: value.replace(".", "..", 1),
        lambda value: value.replace("@", " @ ").replace(".", ",", 1),
        lambda value: value.rpartition("@")[0] + "@",
    ),
    "phone": (lambda value: value[:-4], lambda _: "n/a", lambda _: "12345"),
    "vat_number": (_other_last_digit,),
    "iban": (_other_last_digit, lambda value: value[:-2]),
    "lei": (_other_last_digit, lambda value: value[:12]),
    "postcode": (lambda _: "00000", lambda value: value[:3]),
}
"""What people get wrong, by column."""


def with_mistake(dice: Dice, row: Row) -> Row:
    """Return `row` with one of its values spoilt."""
    filled = [column for column in MISTAKES if row[column]]
    if not filled:
        return row
    column = dice.pick(filled)
    return row | {column: dice.pick(MISTAKES[column])(row[column])}


def once_more(dice: Dice, row: Row) -> Row:
    """Return `row` as a second list has it: the same values, written a little differently."""
    again = dict(row)
    if dice.chance(0.3):
        local, at, domain = row["email"].rpartition("@")
        again["email"] = f"{local}{at}{domain.upper()}" if domain.isascii() else row["email"]
    if dice.chance(0.3):
        again["iban"] = " ".join(row["iban"][at : at + 4] for at in range(0, len(row["iban"]), 4))
    if dice.chance(0.3):
        again["postcode"] = row["postcode"].lower().replace(" ", "")
    if dice.chance(0.2):
        again["vat_number"] = row["vat_number"].lower()
    return again


def contacts() -> list[Row]:
    """Return all rows."""
    dice = Dice(SEED)
    blank = dict.fromkeys(COLUMNS, "")
    rows = [blank | {"name": "From the sandbox"} | magic for magic in MAGIC]
    while len(rows) < ROWS:
        if dice.chance(DUPLICATE_SHARE):
            rows.append(once_more(dice, dice.pick(rows)))
        else:
            row = person(dice)
            rows.append(with_mistake(dice, row) if dice.chance(0.1) else row)
    for number, row in enumerate(rows, start=1):
        row["id"] = f"C-{number:05}"
    return rows


def main() -> None:
    """Write the file."""
    with PATH.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(contacts())
    print(f"{PATH}: {ROWS} rows")


if __name__ == "__main__":
    main()
