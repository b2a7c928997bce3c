"""Equal values meet: however a value is written, it is one question, and its form is stable."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.assay_process import EVERY_MOUNT, Living, Record, Sections, living
from tests.sandbox_process import RunningSandbox

SPELLINGS = 40
STATUS = "results { status verdicts { input normalized status } } usage { valuesAsked }"
SEPARATORS = {"phone": " -().", "vatNumber": " .-/", "lei": " -", "iban": " -", "postcode": " "}
AROUND = ["", " ", "\t", "\n", "\u00a0", "\u200b", "\ufeff", "\u202a"]


def recased(text: str, random: Random) -> str:
    return "".join(random.choice((one.upper(), one.lower())) for one in text)


def spaced(text: str, separators: str, random: Random, *, kept: int) -> str:
    """Return `text` with separators between its characters from the place `kept` on."""
    rest = "".join(one + random.choice(("", random.choice(separators))) for one in text[kept:])
    return text[:kept] + rest.rstrip(separators)


def around(text: str, random: Random) -> str:
    return random.choice(AROUND) + text + random.choice(AROUND)


def emails(random: Random) -> Record:
    return {"email": around(recased("zoë.o'neil+x@Bücher.example", random), random)}


def phones(random: Random) -> Record:
    if random.random() < 0.3:
        number = spaced("0701740611", SEPARATORS["phone"], random, kept=2)
        return {"phone": {"number": around(number, random), "region": recased("SE", random)}}
    number = spaced("+46701740611", SEPARATORS["phone"], random, kept=3)
    return {"phone": {"number": around(number, random)}}


def vat_numbers(random: Random) -> Record:
    text = spaced("FR88100000009", SEPARATORS["vatNumber"], random, kept=2)
    return {"vatNumber": around(recased(text, random), random)}


def leis(random: Random) -> Record:
    text = spaced("SBOX00ISSUED00000047", SEPARATORS["lei"], random, kept=1)
    return {"lei": around(recased(text, random), random)}


def companies(random: Random) -> Record:
    number = around(recased(random.choice(("SC000101", "sc 000101", "SC101")), random), random)
    return {"company": {"number": number, "jurisdiction": recased("GB", random)}}


def postcodes(random: Random) -> Record:
    code = recased(random.choice(("SW1A 2AA", "SW1A2AA", "SW1A  2AA")), random)
    return {"postcode": {"code": around(code, random), "country": recased("GB", random)}}


MADE = [emails, phones, vat_numbers, leis, companies, postcodes]


def rewritten(kind: str, normalized: str) -> Record:
    """Return the record that sends a canonical value back."""
    if kind == "phone":
        return {"phone": {"number": normalized}}
    if kind in {"company", "postcode"}:
        country, _, rest = normalized.partition("/")
        name, place = ("number", "jurisdiction") if kind == "company" else ("code", "country")
        return {kind: {name: rest, place: country}}
    return {kind: normalized}


async def verdicts_of(assay: Living, records: Sequence[Record]) -> tuple[list[Any], int]:
    payload = await assay.validate(STATUS, records)
    verdicts = [one["verdicts"][0] for one in payload["results"]]
    return verdicts, payload["usage"]["valuesAsked"]


@pytest.mark.parametrize("make", MADE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_spelling_is_the_same_question(
    make: Any,  # noqa: ANN401 - one of MADE
    seed: int,
    sandbox: RunningSandbox,
    usual: Sections,
) -> None:
    """In one request, in two, and in a process that knows only what the shared store holds."""
    random = Random(seed)
    records = [make(random) for _ in range(SPELLINGS)]
    async with living(usual) as assay:
        first, asked = await verdicts_of(assay, records[: SPELLINGS // 2])
        second, again = await verdicts_of(assay, records[SPELLINGS // 2 :])
    async with living(usual) as assay:
        third, elsewhere = await verdicts_of(assay, records)
    verdicts = [*first, *second, *third]
    assert len({one["normalized"] for one in verdicts}) == 1, verdicts
    assert len({one["status"] for one in verdicts}) == 1
    assert verdicts[0]["normalized"] is not None
    assert again == elsewhere == 0
    counts = await sandbox.statistics()
    assert sum(counts[mount]["values_asked"] for mount in EVERY_MOUNT) == 1
    assert asked == 1 + (make is emails)  # its domain, too


@pytest.mark.parametrize("make", MADE, ids=lambda one: one.__name__)
async def test_a_canonical_value_stays_as_it_is(make: Any, usual: Sections) -> None:  # noqa: ANN401
    async with living(usual) as assay:
        ((first,), _) = await verdicts_of(assay, [make(Random(3))])
        kind = await assay.validate("results { verdicts { kind } }", [make(Random(3))])
        name = kind["results"][0]["verdicts"][0]["kind"]
        ((again,), asked) = await verdicts_of(assay, [rewritten(name, first["normalized"])])
    assert (again["normalized"], again["status"]) == (first["normalized"], first["status"])
    assert asked == 0
