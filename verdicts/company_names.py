"""Names of companies, compared: legal forms, accents, case and the order of words do not count.

Legal forms: the terms of `cleanco`, and forms that registers write out, which it leaves to others:
see `WRITTEN_OUT`. Spelling: `rapidfuzz`.

>>> likeness("Müller & Söhne GmbH", "MUELLER UND SOEHNE GESELLSCHAFT MIT BESCHRÄNKTER HAFTUNG")
1.0
>>> likeness("Acme", "Acme Holdings Ltd")
0.85
>>> likeness("Acme Ltd", "Zenith Ltd") < 0.6
True
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import cast

from cleanco.termdata import terms_by_country, terms_by_type
from rapidfuzz import fuzz

PART_OF_THE_OTHER = 0.85
"""All words of one name stand in the other: `Acme`, `Acme Holdings Germany`. Often a subsidiary,
and sometimes somebody else."""
INITIALS = 0.8
"""One name is the first letters of the other: `IBM`."""

NAME_LENGTH_MAX = 400
"""Characters of a name that are looked at; the comparison takes time with their square."""
NAMES_KEPT_MAX = 10_000
INITIALS_MIN = 3
LABEL_LENGTH_MIN = 3

WRITTEN_OUT = (
    "aktiengesellschaft",
    "aktiebolag",
    "aktieselskab",
    "akciova spolecnost",
    "allmennaksjeselskap",
    "aksjeselskap",
    "anpartsselskab",
    "besloten vennootschap",
    "besloten vennootschap met beperkte aansprakelijkheid",
    "drustvo s ogranicenom odgovornoscu",
    "eingetragene genossenschaft",
    "eingetragener verein",
    "gesellschaft mbh",
    "gesellschaft mit beschrankter haftung",
    "kommanditgesellschaft",
    "korlatolt felelossegu tarsasag",
    "limited liability company",
    "limited liability partnership",
    "naamloze vennootschap",
    "nyilvanosan mukodo reszvenytarsasag",
    "offene handelsgesellschaft",
    "osakeyhtio",
    "public limited company",
    "sa rl",
    "sabiedriba ar ierobezotu atbildibu",
    "sociedad anonima",
    "sociedad de responsabilidad limitada",
    "sociedad limitada",
    "sociedade anonima",
    "sociedade por quotas",
    "societa a responsabilita limitata",
    "societa per azioni",
    "societate cu raspundere limitata",
    "societate pe actiuni",
    "societe a responsabilite limitee",
    "societe anonyme",
    "societe par actions simplifiee",
    "spolecnost s rucenim omezenym",
    "spolka akcyjna",
    "spolka z ograniczona odpowiedzialnoscia",
    "spolocnost s rucenim obmedzenym",
    "uzdaroji akcine bendrove",
)
"""Forms that registers write out; their names: ISO 20275 (the ELF code list of GLEIF)."""

Words = tuple[str, ...]

_AND = frozenset({"&", "+", "and", "und", "et", "y", "e", "i", "og", "och", "en"})
_WORD = re.compile(r"\w+|&|\+")
_DROPPED = str.maketrans("", "", ".'`\u00b4\u2019\"")
# What has no accent to take off (Unicode has no decomposition for it).
_PLAIN = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe"}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_LATIN = re.compile(r"[a-z]")


def likeness(one: str, other: str) -> float | None:
    """Return how far two names of companies agree, 0 to 1.

    None when there is nothing to compare: an empty name, or two scripts.
    """
    best: float | None = None
    for mine, theirs in _pairs(one, other):
        score = _score(mine, theirs)
        if best is None or score > best:
            best = score
    return best


def label_likeness(label: str, name: str) -> float | None:
    """Return how far a label of a domain name (`acme-group`) agrees with a company's name, 0 to 1.

    None when there is nothing to compare.

    >>> label_likeness("acme-group", "Acme Group Ltd"), label_likeness("ibm", "Intl. Box Makers Co")
    (1.0, 0.8)
    """
    compact = "".join(_words(label, umlauts=False))
    if len(compact) < LABEL_LENGTH_MIN:
        return None
    best: float | None = None
    for bare in _variants(name):
        if not bare or not _same_script((compact,), bare):
            continue
        joined = "".join(bare)
        score = fuzz.ratio(compact, joined) / 100
        if compact != joined and (compact in bare or joined.startswith(compact)):
            score = max(score, PART_OF_THE_OTHER)
        elif compact == _initials(bare):
            score = max(score, INITIALS)
        best = score if best is None else max(best, score)
    return best


def _pairs(one: str, other: str) -> Iterator[tuple[Words, Words]]:
    theirs = [words for words in _variants(other) if words]
    for mine in _variants(one):
        for words in theirs:
            if mine and _same_script(mine, words):
                yield mine, words


def _score(one: Words, other: Words) -> float:
    if "".join(one) == "".join(other):
        return 1.0
    score = fuzz.token_sort_ratio(" ".join(one), " ".join(other)) / 100
    if set(one) <= set(other) or set(other) <= set(one):
        score = max(score, PART_OF_THE_OTHER)
    elif (len(one) == 1 and one[0] == _initials(other)) or (
        len(other) == 1 and other[0] == _initials(one)
    ):
        score = max(score, INITIALS)
    return round(score, 3)


def _initials(words: Words) -> str | None:
    return "".join(word[0] for word in words) if len(words) >= INITIALS_MIN else None


def _same_script(one: Words, other: Words) -> bool:
    """Return whether both are in Latin letters, or neither is: nothing is transliterated."""
    return bool(_LATIN.search("".join(one))) == bool(_LATIN.search("".join(other)))


@lru_cache(NAMES_KEPT_MAX)
def _variants(name: str) -> frozenset[Words]:
    """Return what is left of `name` without its legal form, in each way of writing it plainly.

    An umlaut is plain as one letter or as two; a form stands behind (Acme Ltd), or before too
    (SIA Acme).
    """
    found: set[Words] = set()
    for umlauts in (False, True):
        words = _words(name, umlauts=umlauts)
        behind = _without_form_behind(words)
        found.add(_without_and(behind))
        found.add(_without_and(_without_form_before(behind)))
    return frozenset(found)


def _words(name: str, *, umlauts: bool) -> Words:
    """Return the words of `name` in lower case, without accents, dots and quotation marks."""
    plain = unicodedata.normalize("NFKC", name[:NAME_LENGTH_MAX]).casefold()
    if umlauts:
        plain = plain.translate(_UMLAUTS)
    decomposed = unicodedata.normalize("NFKD", plain.translate(_PLAIN).translate(_DROPPED))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return tuple(_WORD.findall(bare))


def _without_and(words: Words) -> Words:
    """Leave out the words for "and", as long as another word stays."""
    return tuple(word for word in words if word not in _AND) or words


def _without_form_behind(words: Words) -> Words:
    """Return `words` without the legal forms at their end; a name that is nothing else stays."""
    forms, longest = _legal_forms()
    while True:
        for length in range(min(longest, len(words) - 1), 0, -1):
            if words[-length:] in forms:
                words = words[:-length]
                break
        else:
            return words


def _without_form_before(words: Words) -> Words:
    forms, longest = _legal_forms()
    for length in range(min(longest, len(words) - 1), 0, -1):
        if words[:length] in forms:
            return words[length:]
    return words


@cache
def _legal_forms() -> tuple[frozenset[Words], int]:
    """Return all legal forms as words, and how many words the longest has."""
    lists = cast("Sequence[Sequence[str]]", [*terms_by_type.values(), *terms_by_country.values()])
    terms = [*WRITTEN_OUT, *(term for terms in lists for term in terms)]
    forms = {_words(term, umlauts=umlauts) for term in terms for umlauts in (False, True)} - {()}
    return frozenset(forms), max(map(len, forms))
