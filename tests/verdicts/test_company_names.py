import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdicts import company_names
from verdicts.company_names import label_likeness, likeness
from verdicts.consistency import AGREES_FROM, DIFFERENT_BELOW

NAMES = st.text(st.characters(codec="utf-8"), max_size=60)


def test_the_examples_in_the_file_hold() -> None:
    assert doctest.testmod(company_names).failed == 0


@pytest.mark.parametrize(
    "one, other",
    [
        ("Acme Ltd", "ACME LIMITED"),
        ("Nordwind GmbH & Co. KG", "Nordwind"),
        ("Amazon Europe Core S.à r.l.", "AMAZON EUROPE CORE SARL"),
        ("CD PROJEKT S.A.", "CD PROJEKT SPÓŁKA AKCYJNA"),
        ("Škoda Auto a.s.", "SKODA AUTO AKCIOVÁ SPOLEČNOST"),
        ('SIA "Latvijas Gaze"', "Latvijas Gāze"),
        ("Smith & Sons", "Sons and Smith Ltd."),
        ("L’Oréal", "L'OREAL SA"),
        ("Bäcker Groß AG", "BAECKER GROSS AKTIENGESELLSCHAFT"),
        ("Ærø Færge A/S", "Aeroe Faerge Aktieselskab"),
        ("ПАО Ромашка", "Ромашка"),
        ("株式会社", "株式会社"),
        ("GmbH", "gmbh"),
    ],
)
def test_the_same_company_however_it_is_written(one: str, other: str) -> None:
    assert likeness(one, other) == 1.0
    assert likeness(other, one) == 1.0


@pytest.mark.parametrize(
    "one, other",
    [
        ("Deutsche Bank AG", "Deutsche Telekom AG"),
        ("Acme Ltd", "Zenith Ltd"),
        ("AG", "KG"),
        ("Bluebell Foods SA", "Kestrel Optics SA"),
    ],
)
def test_a_legal_form_alone_makes_nobody_alike(one: str, other: str) -> None:
    found = likeness(one, other)
    assert found is not None
    assert found < DIFFERENT_BELOW


def test_a_part_of_a_name_and_its_initials_are_told_apart_from_the_whole() -> None:
    assert likeness("Google", "Google Ireland Limited") == 0.85
    assert likeness("IBM", "International Business Machines Corp.") == 0.8
    found = likeness("Acme Trading", "Acme Trding")
    assert found is not None
    assert AGREES_FROM < found < 1


@pytest.mark.parametrize("one, other", [("", "Acme"), ("---", "Acme"), ("ΑΛΦΑ ΑΕ", "Alpha SA")])
def test_where_there_is_nothing_to_compare_nothing_is_said(one: str, other: str) -> None:
    assert likeness(one, other) is None


@given(NAMES, NAMES)
def test_a_likeness_is_a_share_and_has_no_direction(one: str, other: str) -> None:
    found = likeness(one, other)
    assert found == likeness(other, one)
    assert found is None or 0 <= found <= 1
    assert likeness(one, one) in {None, 1.0}


@pytest.mark.parametrize(
    "label, name, least, most",
    [
        ("acme-group", "Acme Group Ltd", 1, 1),
        ("mueller", "Müller GmbH", 1, 1),
        ("muller", "Müller GmbH", 1, 1),
        ("sap", "SAP SE", 1, 1),
        ("acme", "Acme Holdings", 0.85, 0.85),
        ("ibm", "International Business Machines", 0.8, 0.8),
        ("zenith", "Acme Trading", 0, 0.5),
    ],
)
def test_a_label_of_a_domain(label: str, name: str, least: float, most: float) -> None:
    found = label_likeness(label, name)
    assert found is not None
    assert least <= found <= most


@pytest.mark.parametrize(
    "label, name", [("co", "Co Op"), ("acme", "ΑΛΦΑ"), ("", "A"), ("acme", "")]
)
def test_a_label_too_short_or_of_another_script_says_nothing(label: str, name: str) -> None:
    assert label_likeness(label, name) is None
