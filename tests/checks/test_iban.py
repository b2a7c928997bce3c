import pytest

from checks import iban
from tests.checks.kinds import reason_of

GOOD = {
    "DE89370400440532013000": ("37040044", "370400440532013000"),
    "GB82WEST12345698765432": ("WEST", "WEST12345698765432"),
    "FR1420041010050500013M02606": ("20041", "20041010050500013M02606"),
    "NL91ABNA0417164300": ("ABNA", "ABNA0417164300"),
    "ES9121000418450200051332": ("2100", "21000418450200051332"),
    "IT60X0542811101000000123456": ("05428", "X0542811101000000123456"),
    "SM86U0322509800000000270100": ("03225", "U0322509800000000270100"),
    "BE68539007547034": ("539", "539007547034"),
    "CH9300762011623852957": ("00762", "00762011623852957"),
    "AT611904300234573201": ("19043", "1904300234573201"),
    "NO9386011117947": ("8601", "86011117947"),
    "SE4550000000058398257466": ("500", "50000000058398257466"),
    "ME25505000012345678951": ("505", "505000012345678951"),
    "XK051212012345678906": ("12", "1212012345678906"),
    "AL47212110090000000235698741": ("212", "212110090000000235698741"),
    "MU17BOMM0101101030300200000MUR": ("BOMM01", "BOMM0101101030300200000MUR"),
    "MT84MALT011000012345MTLCAST001S": ("MALT", "MALT011000012345MTLCAST001S"),
    "TR330006100519786457841326": ("00061", "0006100519786457841326"),
    "PL61109010140000071219812874": ("10901014", "109010140000071219812874"),
    "AD1200012030200359100100": ("0001", "00012030200359100100"),
    "LC55HEMM000100010012001200023015": ("HEMM", "HEMM000100010012001200023015"),
}

WRITTEN = [
    "DE89 3704 0044 0532 0130 00",
    "de89370400440532013000",
    "IBAN DE89 3704 0044 0532 0130 00",
    "IBAN: DE89-3704-0044-0532-0130-00",
    "\xa0DE89\xa03704\xa00044\xa00532\xa00130\xa000 ",
    "ＤＥ８９３７０４００４４０５３２０１３０００",
]

BAD = {
    "": "EMPTY",
    "\t": "EMPTY",
    "DE88370400440532013000": "WRONG_CHECK_DIGIT",
    "DE89370400440532013001": "WRONG_CHECK_DIGIT",
    "DE89370400440532010300": "WRONG_CHECK_DIGIT",
    "GB82WEST12345698765423": "WRONG_CHECK_DIGIT",
    "BE71096123456760": "WRONG_CHECK_DIGIT",
    "NO9386011117948": "WRONG_CHECK_DIGIT",
    "DE8937040044053201300": "WRONG_LENGTH",
    "DE893704004405320130000": "WRONG_LENGTH",
    "DE89": "WRONG_LENGTH",
    "GB82WEST123456987654321": "WRONG_LENGTH",
    "GB82123412345698765432": "MALFORMED",
    "DE8937O400440532013000": "MALFORMED",
    "DEXX370400440532013000": "MALFORMED",
    "370400440532013000": "MALFORMED",
    "IBAN": "MALFORMED",
    "---": "MALFORMED",
    "XX89370400440532013000": "UNKNOWN_COUNTRY",
    "US89370400440532013000": "UNKNOWN_COUNTRY",
    "UK82WEST12345698765432": "UNKNOWN_COUNTRY",
    "DE89370400440532013000€": "FORBIDDEN_CHARACTER",
    "DE89\x003704": "FORBIDDEN_CHARACTER",
    "\ud8ff": "FORBIDDEN_CHARACTER",
    "DE89" + "0" * 2_000_000: "TOO_LONG",
}


@pytest.mark.parametrize("value", GOOD)
def test_a_good_iban_tells_its_bank_and_its_bban(value: str) -> None:
    examined = iban.examine(value)
    assert examined.canonical == value
    bank_code, bban = GOOD[value]
    assert examined.facts == iban.IbanFacts(value[:2], bank_code, bban)


@pytest.mark.parametrize("value", WRITTEN)
def test_an_iban_in_any_writing_meets_in_one_canonical_form(value: str) -> None:
    assert iban.examine(value).canonical == "DE89370400440532013000"


@pytest.mark.parametrize("value, code", BAD.items(), ids=lambda text: ascii(text)[:30])
def test_a_bad_iban_is_refuted_with_its_reason(value: str, code: str) -> None:
    examined = iban.examine(value)
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("REFUTED", code)


def test_a_bank_that_the_library_does_not_list_is_no_fault_of_the_number() -> None:
    """Bank 539 is missing from stdnum's list of Belgian banks; the number is right all the same."""
    assert iban.examine("BE68539007547034").canonical is not None


def test_the_countrys_own_check_digits_count() -> None:
    """ISO 13616's digits fit, Spain's own do not: a made-up account."""
    made_up = "21000418400200051332"
    digits = 98 - int("".join(str(int(sign, 36)) for sign in made_up + "ES00")) % 97
    examined = iban.examine(f"ES{digits:02}{made_up}")
    assert reason_of(examined, "syntax") == ("REFUTED", "WRONG_CHECK_DIGIT")
