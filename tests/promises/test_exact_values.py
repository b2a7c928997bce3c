"""Values arrive exactly as meant: what a path, a query or JSON holds dear changes nothing."""

from random import Random

import pytest

from tests.assay_process import Record, Sections, living
from tests.sandbox_process import RunningSandbox

STATUS = "results { ref status verdicts { normalized status reasons { code } } }"
EMAILS = {
    "p+1@x.example": "p+1@x.example",
    "p+1&=%/?#'@x.example": "p+1&=%/?#'@x.example",
    "%2B+%20@x.example": "%2b+%20@x.example",
    "{a|b}~^`$!*@x.example": "{a|b}~^`$!*@x.example",
    '"a b\\"c"@x.example': '"a b\\"c"@x.example',
    '"a@b"@x.example': '"a@b"@x.example',
    "zoë.日本+x@bücher.example": "zoë.日本+x@xn--bcher-kva.example",
    "zoe\u0308@x.example": "zoë@x.example",
}
ADDRESS = {"lines": ["1 Road"], "locality": "Leeds", "postalCode": "LS1 1AA", "country": "GB"}
OTHERS = [
    ("twilio", {"phone": {"number": "+46 (0)70-174 06 11"}}, "+46701740611"),
    ("twilio", {"phone": {"number": "\uff0b46701740612"}}, "+46701740612"),
    ("twilio", {"phone": {"number": "070 174 06 13", "region": "SE"}}, "+46701740613"),
    ("vies", {"vatNumber": "IE8+23456N"}, "IE8+23456N"),
    ("vies", {"vatNumber": "fr 88.100.000.009"}, "FR88100000009"),
    ("hmrc", {"vatNumber": "GB 100 0002 30"}, "100000230"),
    ("gleif", {"lei": "sbox-00iss-ued000-000-47"}, "SBOX00ISSUED00000047"),
    ("companies-house", {"company": {"number": "sc 101", "jurisdiction": "gb"}}, "SC000101"),
    (
        "google-address",
        {"address": {**ADDRESS, "lines": [' 3 p+1&=%/?#\'  "Straße", ', "ñ日"], "country": "gb"}},
        '3 P+1&=%/?#\' "STRASSE"\nÑ日',
    ),
    ("postcodes-io", {"postcode": {"code": "sw1a2aa", "country": "gb"}}, "SW1A 2AA"),
]
REFUSED: list[Record] = [
    {"email": "a{}b@x.example"},
    {"phone": {"number": "+4670{}1740611"}},
    {"vatNumber": "FR88{}100000009"},
    {"iban": "DE89{}370400440532013000"},
    {"lei": "SBOX00{}ISSUED00000047"},
    {"company": {"number": "0000{}0101", "jurisdiction": "GB"}},
    {"address": {"locality": "Le{}eds", "country": "GB"}},
    {"postcode": {"code": "SW1A{}2AA", "country": "GB"}},
]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-äßéñøłžд日語ひ한"
BULK_COUNT = 150


def filled(record: Record, sign: str) -> Record:
    """Return `record` with `sign` in the midst of its value."""
    return {
        name: value.format(sign) if isinstance(value, str) else filled(value, sign)
        for name, value in record.items()
    }


@pytest.mark.parametrize("bulk_from", [1000, 2], ids=["singly", "in bulk"])
async def test_mailboxes(bulk_from: int, sandbox: RunningSandbox, usual: Sections) -> None:
    providers = {**usual["providers"]}
    providers["zerobounce"] = {**providers["zerobounce"], "bulk_from": bulk_from}
    records: list[Record] = [{"email": one} for one in EMAILS]
    async with living({**usual, "providers": providers}) as assay:
        payload = await assay.validate(STATUS, records)
    told = [one["verdicts"][0]["normalized"] for one in payload["results"]]
    assert told == list(EMAILS.values())
    mount = "zerobounce" if bulk_from > len(records) else "zerobounce-bulk"
    assert sorted(await sandbox.values_asked(mount)) == sorted(EMAILS.values())


@pytest.mark.parametrize("mount, record, expected", OTHERS)
async def test_other_values(
    mount: str, record: Record, expected: str, sandbox: RunningSandbox, usual: Sections
) -> None:
    async with living(usual) as assay:
        await assay.validate(STATUS, [record])
    assert await sandbox.values_asked(mount) == [expected]


async def test_domains_are_asked_in_ascii(sandbox: RunningSandbox, usual: Sections) -> None:
    async with living(usual) as assay:
        await assay.validate(STATUS, [{"email": "ada@Bücher.Example"}])
    assert {one["name"] for one in await sandbox.log("dns")} == {"xn--bcher-kva.example."}


async def test_many_addresses_of_any_letters(sandbox: RunningSandbox, usual: Sections) -> None:
    """Drawn at random, the same each time."""
    random = Random(1)
    emails = {
        "".join(random.choices(LETTERS, k=random.randint(1, 12))) + "@x.example"
        for _ in range(BULK_COUNT)
    }
    async with living(usual) as assay:
        payload = await assay.validate(STATUS, [{"email": one} for one in emails])
    verdicts = [one["verdicts"][0] for one in payload["results"]]
    assert {one["normalized"] for one in verdicts} == emails
    asked = [
        value
        for mount in ("zerobounce", "zerobounce-bulk")
        for value in await sandbox.values_asked(mount)
    ]
    assert sorted(asked) == sorted(emails)


@pytest.mark.parametrize("sign", ["\n", "\r\n", "\x00", "\x1b", "\u2028"], ids=repr)
async def test_control_characters_are_refused_here_and_never_sent(
    sign: str, sandbox: RunningSandbox, usual: Sections
) -> None:
    records = [filled(record, sign) for record in REFUSED]
    async with living(usual) as assay:
        payload = await assay.validate(STATUS, records)
    for result in payload["results"]:
        (verdict,) = result["verdicts"]
        assert verdict["status"] == "INVALID"
        assert [one["code"] for one in verdict["reasons"]] == ["FORBIDDEN_CHARACTER"]
    assert not any(one["calls"] for one in (await sandbox.statistics()).values())


async def test_what_was_sent_comes_back_as_it_was(usual: Sections) -> None:
    email, ref = "\u2028 Zoe\u0308@X.example\t", "réf & <1>\n\x00"
    async with living(usual) as assay:
        payload = await assay.validate(
            "results { ref email { input normalized } }", [{"ref": ref, "email": email}]
        )
    assert payload["results"] == [
        {"ref": ref, "email": {"input": email, "normalized": "zoë@x.example"}}
    ]
