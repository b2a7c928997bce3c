import pytest

from checks import vat
from tests.checks.kinds import reason_of

GOOD = {
    "DE136695976": "DE136695976",
    "de 136.695.976": "DE136695976",
    "DE-136 695-976": "DE136695976",
    "\u200bDE136695976\ufeff": "DE136695976",
    "ＤＥ１３６６９５９７６": "DE136695976",
    "DE136\u2011695\u2011976": "DE136695976",
    "EL094259216": "EL094259216",
    "GR 094259216": "EL094259216",
    "GB980780684": "GB980780684",
    "GB 980 7806 84": "GB980780684",
    "XI980780684": "XI980780684",
    "ATU13585627": "ATU13585627",
    "BE0428759497": "BE0428759497",
    "BE 428.759.497": "BE0428759497",
    "NL004495445B01": "NL004495445B01",
    "FR23334175221": "FR23334175221",
    "ES B-64717838": "ESB64717838",
    "IE6433435F": "IE6433435F",
    "IE8D79739I": "IE8D79739I",
    "IT00743110157": "IT00743110157",
    "PL8567346215": "PL8567346215",
    "SE123456789701": "SE123456789701",
    "CY10259033P": "CY10259033P",
    "CHE-107.787.577 IVA": "CHE107787577MWST",
    "CHE107787577": "CHE107787577MWST",
    "NO995525828MVA": "NO995525828MVA",
    "IN27AAPFU0939F1ZV": "IN27AAPFU0939F1ZV",
}

BAD = {
    "": "EMPTY",
    "\u3000": "EMPTY",
    "DE136695977": "WRONG_CHECK_DIGIT",
    "DE136695967": "WRONG_CHECK_DIGIT",
    "GB980780685": "WRONG_CHECK_DIGIT",
    "IT00743110158": "WRONG_CHECK_DIGIT",
    "ESB64717839": "WRONG_CHECK_DIGIT",
    "PL8567346216": "WRONG_CHECK_DIGIT",
    "DE13669597": "WRONG_LENGTH",
    "DE1366959760": "WRONG_LENGTH",
    "ATU1358562": "WRONG_LENGTH",
    "NL4495445": "MALFORMED",
    "DE13669597A": "MALFORMED",
    "DE": "MALFORMED",
    "ATX13585627": "MALFORMED",
    "136695976": "UNKNOWN_COUNTRY",
    "XX136695976": "UNKNOWN_COUNTRY",
    "US136695976": "UNKNOWN_COUNTRY",
    "EU372000063": "UNKNOWN_COUNTRY",
    "D": "UNKNOWN_COUNTRY",
    "--": "MALFORMED",
    "DE136695976;": "FORBIDDEN_CHARACTER",
    "DEä36695976": "FORBIDDEN_CHARACTER",
    "DE\x00136695976": "FORBIDDEN_CHARACTER",
    "DE136\n695976": "FORBIDDEN_CHARACTER",
    "\udc80": "FORBIDDEN_CHARACTER",
    "DE" + "1" * 2_000_000: "TOO_LONG",
}


@pytest.mark.parametrize("value, canonical", GOOD.items())
def test_a_good_number_has_one_canonical_form(value: str, canonical: str) -> None:
    examined = vat.examine(value)
    assert examined.canonical == canonical
    assert examined.facts is not None
    assert examined.facts.country == canonical[:2]


@pytest.mark.parametrize("value, code", BAD.items(), ids=lambda text: ascii(text)[:30])
def test_a_bad_number_is_refuted_with_its_reason(value: str, code: str) -> None:
    examined = vat.examine(value)
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("REFUTED", code)
