"""Each service's conversation, driven by hand with the answers that its contract shows."""

from datetime import UTC, date, datetime
from email.utils import format_datetime

import pytest

from providers.catalogue import SERVICES
from providers.errors import Faulted, ProtocolBroken
from providers.exchange import Call
from providers.services import (
    companies_house,
    gleif,
    hmrc,
    postcodes_io,
    twilio_lookup,
    zerobounce,
)
from tests.providers import conversation as told
from tests.providers.conversation import Example, account, answer, converse
from verdicts.evidence import (
    CompanyRegistration,
    LeiRegistration,
    MailboxState,
    PhoneLine,
    PostcodeArea,
    VatRegistration,
)
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode

NOW = datetime(2026, 11, 2, 10, 11, 12, tzinfo=UTC)


def read(example: Example) -> list[Found]:
    _, found = converse(example.service, example.values, answer(example.body, example.status))
    assert set(found) == set(example.values)
    return [found[value] for value in example.values]


def codes(found: Found) -> list[str]:
    return [reason.code.value for reason in found.reasons]


def named(code: ReasonCode | None) -> list[str]:
    return [] if code is None else [code.value]


def concluded(found: Found) -> tuple[str, list[str]]:
    return found.conclusion.value, codes(found)


def test_the_catalogue_has_each_service_once() -> None:
    names = [service.NAME for service in SERVICES]
    assert names == list(dict.fromkeys(names))
    assert len(names) == 9


def test_vies_confirms() -> None:
    (found,) = read(told.VIES)
    assert found.evidence == VatRegistration(
        "ACME GMBH", "Street 1\n10115 BERLIN", None, NOW.replace(microsecond=345000)
    )


def test_hmrc_confirms() -> None:
    (found,) = read(told.HMRC)
    assert concluded(found) == ("CONFIRMED", [])
    assert found.evidence == VatRegistration(
        "ACME LTD", "1 High Street\nLeeds\nLS1 1AA", "AB1-CD2-EF3", NOW
    )


def test_hmrc_names_our_own_number_only_when_it_is_british() -> None:
    given = answer(told.HMRC.body)
    (call,), _ = converse(hmrc, ["GB123456789"], given, by=account(requester="GB987654321"))
    assert call.path == "/organisations/vat/check-vat-number/lookup/123456789/987654321"
    (call,), _ = converse(hmrc, ["GB123456789"], given, by=account(requester="DE987654321"))
    assert call.path == "/organisations/vat/check-vat-number/lookup/123456789"
    assert dict(call.headers) == {
        "Authorization": "Bearer t0k",
        "Accept": "application/vnd.hmrc.2.0+json",
    }


def test_hmrc_fetches_a_token_and_keeps_it() -> None:
    given, by = answer({"access_token": "new", "token_type": "bearer"}), account(token=None)
    calls, _ = converse(hmrc, ["GB123456789"], given, answer(told.HMRC.body), by=by)
    assert (calls[0].method, calls[0].path) == ("POST", "/oauth/token")
    assert dict(calls[0].form or ()) == {
        "grant_type": "client_credentials",
        "client_id": "id",
        "client_secret": "hush",
        "scope": "read:vat",
    }
    assert dict(calls[1].headers)["Authorization"] == "Bearer new"
    assert by.token == "new"


def test_hmrc_renews_a_refused_token_once() -> None:
    refused = answer({"code": "INVALID_CREDENTIALS"}, 401)
    given, by = answer({"access_token": "new"}), account(token="old")
    calls, found = converse(hmrc, ["GB123456789"], refused, given, answer(told.HMRC.body), by=by)
    assert [call.path.split("/")[1] for call in calls] == [
        "organisations",
        "oauth",
        "organisations",
    ]
    assert found["GB123456789"].conclusion is Conclusion.CONFIRMED
    with pytest.raises(Faulted) as error:
        converse(hmrc, ["GB123456789"], refused, given, refused, by=account(token="old"))
    assert error.value.code is ReasonCode.PROVIDER_REFUSED


def test_hmrc_takes_the_token_that_another_exchange_has_fetched_meanwhile() -> None:
    by = account(token="old")
    exchange = hmrc.ask(["GB123456789"], by)
    next(exchange)
    by.token = "new"
    call = exchange.send(answer({"code": "INVALID_CREDENTIALS"}, 401))
    assert dict(call.headers)["Authorization"] == "Bearer new"
    exchange.close()


@pytest.mark.parametrize("status", [401, 500, 404])
def test_hmrc_without_a_token_is_the_accounts_or_the_services_fault(status: int) -> None:
    with pytest.raises(Faulted) as error:
        converse(hmrc, ["GB123456789"], answer({}, status), by=account(token=None))
    expected = {401: "PROVIDER_REFUSED", 500: "PROVIDER_UNAVAILABLE", 404: "PROVIDER_PROTOCOL"}
    assert error.value.code.value == expected[status]


def test_gleif_reads_one_entry() -> None:
    (found,) = read(told.GLEIF)
    renewal = datetime(2027, 1, 1, tzinfo=UTC)
    assert found == Found(
        Conclusion.CONFIRMED,
        evidence=LeiRegistration("ACME SE", "ACTIVE", "ISSUED", renewal, "DE", "DE", "HRB 123"),
    )


def test_gleif_reads_a_page_by_identifier_and_what_it_leaves_out_is_not_registered() -> None:
    assert [concluded(found) for found in read(told.GLEIF_PAGE)] == [
        ("CONFIRMED", []),
        ("DOUBTFUL", ["REGISTRATION_LAPSED"]),
        ("REFUTED", ["NOT_REGISTERED"]),
    ]
    (call,), _ = converse(gleif, told.GLEIF_PAGE.values, answer(told.GLEIF_PAGE.body))
    assert call.query[0] == ("filter[lei]", ",".join(told.GLEIF_PAGE.values))
    assert call.bulk


def test_gleif_refutes_nothing_from_a_page_that_is_not_whole() -> None:
    """An entry that is only on the next page must not be taken for one that does not exist."""
    page = told.lei_page(told.lei_entry(told.LEI), total=2)
    with pytest.raises(ProtocolBroken):
        converse(gleif, [told.LEI, told.OTHER_LEI], answer(page))


@pytest.mark.parametrize("entity", gleif.ENTITIES)
@pytest.mark.parametrize("registration", gleif.REGISTRATIONS)
def test_gleif_takes_the_worse_of_entity_and_registration(entity: str, registration: str) -> None:
    body = {"data": told.lei_entry(told.LEI, entity, registration)}
    (found,) = read(Example(gleif, (told.LEI,), body))
    conclusion, why = gleif.REGISTRATIONS[registration]
    inactive = entity == "INACTIVE"
    assert found.conclusion is (Conclusion.REFUTED if inactive else conclusion)
    assert codes(found) == ["ENTITY_INACTIVE"] * inactive + named(why)


def test_companies_house_confirms() -> None:
    (found,) = read(told.COMPANY)
    assert found == Found(
        Conclusion.CONFIRMED,
        evidence=CompanyRegistration(
            "ACME LIMITED",
            "active",
            "ltd",
            date(2001, 2, 3),
            None,
            "1 High Street, Leeds, LS1 1AA",
            "england-wales",
        ),
    )
    (call,), _ = converse(companies_house, ["GB/00012345"], answer(told.COMPANY.body))
    assert (call.path, call.headers) == (
        "/company/00012345",
        (("Authorization", "Basic a2V5Og=="),),
    )


@pytest.mark.parametrize("status", companies_house.COMPANIES)
def test_companies_house_reads_every_status(status: str) -> None:
    body = {**told.COMPANY.body, "company_status": status, "date_of_cessation": "2020-01-01"}
    (found,) = read(Example(companies_house, told.COMPANY.values, body))
    conclusion, why = companies_house.COMPANIES[status]
    assert concluded(found) == (conclusion.value, named(why))


def test_a_company_about_to_be_struck_off_may_say_so_in_the_detail() -> None:
    body = {**told.COMPANY.body, "company_status_detail": "active-proposal-to-strike-off"}
    (found,) = read(Example(companies_house, told.COMPANY.values, body))
    assert concluded(found) == ("DOUBTFUL", ["STRIKE_OFF_PROPOSED"])


def test_companies_house_pauses_until_its_window_is_new() -> None:
    """Both instants are the service's own, so that our clock does not matter."""
    reset = str(int(NOW.timestamp()) + 42)
    throttled = answer(b"", 429, date=format_datetime(NOW, usegmt=True), x_ratelimit_reset=reset)
    fault = companies_house.fault_of(throttled)
    assert fault is not None
    assert fault.pause_s == 42
    for headers in ({}, {"date": "x"}, {"x_ratelimit_reset": "soon"}):
        fault = companies_house.fault_of(answer(b"", 429, **headers))
        assert fault == companies_house.STATUSES[429]


def test_zerobounce_confirms() -> None:
    (found,) = read(told.MAILBOX)
    assert found.conclusion is Conclusion.CONFIRMED
    assert found.evidence == MailboxState(deliverable=True, free_provider=False)
    (call,), _ = converse(zerobounce, ["a@b.example"], answer(told.MAILBOX.body))
    assert call.query == (("api_key", "key"), ("email", "a@b.example"), ("ip_address", ""))
    assert not call.safe


def test_zerobounce_in_bulk_matches_by_address_in_lower_case() -> None:
    values = ("A@b.example", "c@b.example")
    (call,), found = converse(zerobounce, values, answer(told.MAILBOXES.body))
    assert [concluded(found[value]) for value in values] == [
        ("CONFIRMED", []),
        ("REFUTED", ["MAILBOX_NOT_FOUND"]),
    ]
    assert call == Call(
        "POST",
        "/validatebatch",
        json={
            "api_key": "key",
            "email_batch": [
                {"email_address": "A@b.example", "ip_address": None},
                {"email_address": "c@b.example", "ip_address": None},
            ],
        },
        safe=False,
        bulk=True,
    )


MAILBOX_STATES = [(status, sub) for status, subs in zerobounce.REASONS.items() for sub in subs]


@pytest.mark.parametrize("status, sub", MAILBOX_STATES)
def test_zerobounce_reads_every_status(status: str, sub: str) -> None:
    body = told.mailbox("a@b.example", status, sub)
    (found,) = read(Example(zerobounce, ("a@b.example",), body))
    why = zerobounce.REASONS[status][sub]
    conclusion = zerobounce.CONCLUSIONS[status]
    assert concluded(found) == (conclusion.value, named(why))
    assert all(reason.retryable is (status == "unknown") for reason in found.reasons)
    deliverable = {"CONFIRMED": True, "REFUTED": False}.get(conclusion.value)
    assert isinstance(found.evidence, MailboxState)
    assert found.evidence.deliverable is deliverable


@pytest.mark.parametrize("status, sub", [("perhaps", ""), ("valid", "on_the_moon"), ("", "")])
def test_an_unknown_mailbox_status_decides_nothing_and_spoils_no_neighbour(
    status: str, sub: str
) -> None:
    body = told.mailboxes(told.mailbox("a@b.example", status, sub), told.mailbox("c@b.example"))
    assert [
        concluded(found) for found in read(Example(zerobounce, told.MAILBOXES.values, body))
    ] == [
        ("UNDECIDED", ["PROVIDER_PROTOCOL"]),
        ("CONFIRMED", []),
    ]


def test_a_bulk_answer_that_contradicts_itself_decides_nothing() -> None:
    body = told.mailboxes(
        told.mailbox("a@b.example"),
        told.mailbox("a@b.example", "invalid"),
        told.mailbox("c@b.example"),
        told.mailbox("c@b.example"),
    )
    assert [
        concluded(found) for found in read(Example(zerobounce, told.MAILBOXES.values, body))
    ] == [
        ("UNDECIDED", ["PROVIDER_PROTOCOL"]),
        ("CONFIRMED", []),
    ]


def test_a_bulk_answer_about_strangers_is_refused() -> None:
    body = told.mailboxes(told.mailbox("x@b.example"), told.mailbox("c@b.example"))
    with pytest.raises(ProtocolBroken):
        converse(zerobounce, told.MAILBOXES.values, answer(body))


def test_values_that_a_bulk_answer_leaves_out_are_left_open() -> None:
    body = told.mailboxes(told.mailbox("c@b.example"))
    _, found = converse(zerobounce, told.MAILBOXES.values, answer(body))
    assert list(found) == ["c@b.example"]


def test_twilio_confirms() -> None:
    (found,) = read(told.PHONE)
    assert found == Found(Conclusion.CONFIRMED, evidence=PhoneLine("landline", "BT"))
    (call,), _ = converse(twilio_lookup, told.PHONE.values, answer(told.PHONE.body))
    assert (call.path, call.query) == (
        "/PhoneNumbers/%2B442071838750",
        (("Fields", "line_type_intelligence"),),
    )
    assert not call.safe
    assert call.headers == (("Authorization", "Basic a2V5OnNlY3JldA=="),)


@pytest.mark.parametrize("kind", sorted(twilio_lookup.TYPES))
def test_twilio_reads_every_line_type(kind: str) -> None:
    body = {**told.PHONE.body, "line_type_intelligence": {"type": kind, "error_code": None}}
    (found,) = read(Example(twilio_lookup, told.PHONE.values, body))
    assert found == Found(Conclusion.CONFIRMED, evidence=PhoneLine(kind))


@pytest.mark.parametrize("error", twilio_lookup.INVALID)
def test_twilio_refutes_by_every_validation_error(error: str) -> None:
    body = {**told.PHONE.body, "valid": False, "validation_errors": [error]}
    (found,) = read(Example(twilio_lookup, told.PHONE.values, body))
    assert concluded(found) == ("REFUTED", [twilio_lookup.INVALID[error].value])


@pytest.mark.parametrize(
    "line, retryable",
    [
        ({"type": None, "error_code": 60600}, True),
        ({"type": None, "error_code": 60620}, False),
        ({"type": "quantumVoip", "error_code": None}, True),
    ],
)
def test_a_number_without_its_line_is_valid_all_the_same(
    line: dict[str, object], *, retryable: bool
) -> None:
    body = {**told.PHONE.body, "line_type_intelligence": line}
    (found,) = read(Example(twilio_lookup, told.PHONE.values, body))
    assert concluded(found) == ("CONFIRMED", ["LINE_TYPE_MISSING"])
    assert found.reasons[0].retryable is retryable


def test_postcodes_io_confirms() -> None:
    (found,) = read(told.POSTCODE)
    area = PostcodeArea("England", "London", "Westminster", 51.50354, -0.127695)
    assert found == Found(Conclusion.CONFIRMED, evidence=area)
    (call,), _ = converse(postcodes_io, told.POSTCODE.values, answer(told.POSTCODE.body))
    assert call == Call("GET", "/postcodes/SW1A%202AA")


def test_postcodes_io_says_when_a_postcode_ended() -> None:
    (found,) = read(told.POSTCODE_ENDED)
    assert concluded(found) == ("REFUTED", ["TERMINATED"])
    assert found.evidence == PostcodeArea(terminated_year=2015, terminated_month=2)


def test_postcodes_io_in_bulk_matches_by_query() -> None:
    assert [concluded(found) for found in read(told.POSTCODES)] == [
        ("CONFIRMED", []),
        ("REFUTED", ["NOT_REGISTERED"]),
    ]
    (call,), _ = converse(postcodes_io, told.POSTCODES.values, answer(told.POSTCODES.body))
    assert call == Call(
        "POST", "/postcodes", json={"postcodes": ["OX49 5NU", "M32 0JG"]}, bulk=True
    )


@pytest.mark.parametrize(
    "example",
    [told.HMRC_MISSING, told.GLEIF_MISSING, told.COMPANY_MISSING, told.POSTCODE_MISSING],
    ids=lambda example: example.service.NAME,
)
def test_what_a_register_lacks_is_refuted(example: Example) -> None:
    assert [concluded(found) for found in read(example)] == [("REFUTED", ["NOT_REGISTERED"])]


def test_a_number_that_twilio_cannot_parse_is_refuted() -> None:
    assert [concluded(found) for found in read(told.PHONE_MISSING)] == [("REFUTED", ["MALFORMED"])]
