import pytest

from batches.source.mapping import MappingError, mapping_of


def told(columns: list[str], *maps: str) -> dict[str, str]:
    return {column: targets for column, targets, _ in mapping_of(columns, maps).told()}


@pytest.mark.parametrize(
    "column, target",
    [
        ("email", "email"),
        ("E-Mail", "email"),
        ("Courriel", "email"),
        ("Correo electrónico", "email"),
        ("Téléphone", "phone.number"),
        ("Mobiel", "phone.number"),
        ("USt-IdNr.", "vatNumber"),
        ("Partita IVA", "vatNumber"),
        ("btw-nummer", "vatNumber"),
        ("IBAN", "iban"),
        ("LEI code", "lei"),
        ("Company No.", "company.number"),
        ("Handelsregisternummer", "company.number"),
        ("PLZ", "postcode.code"),
        ("code postal", "postcode.code"),
        ("Straße", "address.lines"),
        ("Ciudad", "address.locality"),
    ],
)
def test_columns_are_known_by_their_names(column: str, target: str) -> None:
    assert told([column]) == {column: target}


def test_a_country_goes_to_every_field_that_needs_one() -> None:
    found = told(["phone", "Land", "company number", "plz", "email"])
    assert found["Land"] == "phone.region, company.jurisdiction, postcode.country"


def test_a_country_alone_is_nothing() -> None:
    assert told(["email", "country"]) == {"email": "email"}


def test_a_postcode_beside_a_street_is_part_of_the_address() -> None:
    found = mapping_of(["Street", "City", "ZIP", "Country"])
    assert found.fields == ["address"]
    assert found.record(["1 High St", "", "LS1 4AP", "GB"]) == {
        "address": {"lines": ["1 High St"], "postalCode": "LS1 4AP", "country": "GB"}
    }


def test_several_lines_of_an_address_stay_together() -> None:
    record = mapping_of(["address 1", "address 2", "town"]).record(["Flat 2", "1 High St", "Leeds"])
    assert record == {"address": {"lines": ["Flat 2", "1 High St"], "locality": "Leeds"}}


def test_the_plain_name_wins_over_a_numbered_one() -> None:
    assert told(["phone 2", "phone"]) == {"phone": "phone.number"}


def test_a_company_name_is_not_sent_alone() -> None:
    assert told(["company", "email"]) == {"email": "email"}
    assert mapping_of(["company"], ["company=company.name"]).record(["Acme"]) == {
        "company": {"name": "Acme"}
    }


def test_empty_cells_are_not_sent() -> None:
    found = mapping_of(["id", "email", "phone", "country"])
    assert found.record(["1", " ", "", "GB"]) == {}
    assert found.record(["1", "a@b.example", "", "GB"]) == {"ref": "1", "email": "a@b.example"}


def test_what_is_told_overrides_what_is_guessed() -> None:
    columns = ["email", "Mail 2", "country"]
    assert told(columns, "Mail 2=email")["Mail 2"] == "email"
    assert "email" not in told(columns, "Mail 2=email")
    assert told(columns, "email=") == {"Mail 2": "email"}
    assert told(["p", "Land"], "p=phone", "Land=phone.region")["p"] == "phone.number"


@pytest.mark.parametrize(
    "text, words",
    [
        ("E-mail=email", "Did you mean 'E-Mail'?"),
        ("E-Mail=emial", "Did you mean email?"),
        ("E-Mail=vat_numbr", "Did you mean vatNumber?"),
        ("E-Mail", "write COLUMN=FIELD"),
        ("E-Mail=mobile-or-so", "The fields are"),
    ],
)
def test_a_wrong_map_names_the_right_spelling(text: str, words: str) -> None:
    with pytest.raises(MappingError) as error:
        mapping_of(["E-Mail", "x"], [text])
    assert words in str(error.value)


def test_two_columns_cannot_be_one_field() -> None:
    with pytest.raises(MappingError, match="already"):
        mapping_of(["a", "b"], ["a=email", "b=email"])
