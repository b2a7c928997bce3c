"""Each stand-in answers in its service's own form, field by field."""

from __future__ import annotations

import itertools

from tests.sandbox import asking
from tests.sandbox_process import RunningSandbox


async def test_vies_answers_valid_with_the_number_echoed(sandbox: RunningSandbox) -> None:
    got = await asking.vies(sandbox, "FR88100000009")
    assert got.status == 200
    assert got.json["countryCode"] == "FR"
    assert got.json["vatNumber"] == "88100000009"
    assert got.json["valid"] is True
    assert got.json["requestIdentifier"] == ""
    assert got.json["traderName"] == "---"
    assert got.json["traderNameMatch"] == "NOT_PROCESSED"
    assert "\n" in got.json["address"]
    assert got.json["requestDate"].endswith("Z")


async def test_vies_never_discloses_a_german_name(sandbox: RunningSandbox) -> None:
    got = await asking.vies(sandbox, "DE100001003")
    assert (got.json["valid"], got.json["name"], got.json["address"]) == (True, "---", "---")


async def test_vies_gives_a_consultation_number_to_a_requester(sandbox: RunningSandbox) -> None:
    requester = {"requesterMemberStateCode": "DE", "requesterNumber": "100001003"}
    got = await asking.vies(sandbox, "FR88100000009", **requester)
    assert got.json["requestIdentifier"].startswith("WAPI")


async def test_vies_wraps_an_error_in_a_200(sandbox: RunningSandbox) -> None:
    got = await asking.vies(sandbox, "DE100003017")
    assert got.status == 200
    assert got.json == {"actionSucceed": False, "errorWrappers": [{"error": "MS_UNAVAILABLE"}]}


async def test_vies_by_path_puts_the_error_beside_false(sandbox: RunningSandbox) -> None:
    got = await asking.call(sandbox, "GET", "vies", "/ms/DE/vat/100003017")
    assert (got.json["isValid"], got.json["userError"]) == (False, "MS_UNAVAILABLE")
    got = await asking.call(sandbox, "GET", "vies", "/ms/FR/vat/88100000009")
    assert (got.json["isValid"], got.json["userError"]) == (True, "VALID")
    assert got.json["originalVatNumber"] == "88100000009"


async def test_vies_does_not_serve_great_britain(sandbox: RunningSandbox) -> None:
    got = await asking.vies(sandbox, "GB100000132")
    assert got.json["errorWrappers"] == [{"error": "INVALID_INPUT"}]


async def test_vies_test_service_knows_its_numbers(sandbox: RunningSandbox) -> None:
    expected = {"100": True, "200": False, "301": "MS_UNAVAILABLE", "601": "MS_MAX_CONCURRENT_REQ_TIME"}  # fmt: skip  # noqa: E501
    for number, answer in expected.items():
        body = {"countryCode": "DE", "vatNumber": number}
        got = await asking.call(sandbox, "POST", "vies", "/check-vat-test-service", json=body)
        if isinstance(answer, bool):
            assert got.json["valid"] is answer
        else:
            assert got.json["errorWrappers"] == [{"error": answer}]


async def test_vies_status_lists_member_states_and_can_lose_one(sandbox: RunningSandbox) -> None:
    await sandbox.control("POST", "vies/availability", {"DE": "Unavailable"})
    got = await asking.call(sandbox, "GET", "vies", "/check-status")
    states = {row["countryCode"]: row["availability"] for row in got.json["countries"]}
    assert got.json["vow"] == {"available": True}
    assert (states["DE"], states["AT"], len(states)) == ("Unavailable", "Available", 28)
    down = await asking.vies(sandbox, "DE100001003")
    assert down.json["errorWrappers"] == [{"error": "MS_UNAVAILABLE"}]
    assert (await asking.vies(sandbox, "FR88100000009")).json["valid"] is True


async def test_hmrc_finds_a_company_for_a_token(sandbox: RunningSandbox) -> None:
    token = await asking.hmrc_token(sandbox)
    got = await asking.hmrc(sandbox, "100000230/100000132", token)
    assert got.status == 200
    assert got.json["target"]["vatNumber"] == "100000230"
    assert set(got.json["target"]["address"]) == {"line1", "line2", "postcode", "countryCode"}
    assert got.json["requester"] == "100000132"
    assert len(got.json["consultationNumber"].split("-")) == 3


async def test_hmrc_says_why_it_does_not_answer(sandbox: RunningSandbox) -> None:
    await sandbox.limit("hmrc")
    token = await asking.hmrc_token(sandbox)
    missing = await asking.hmrc(sandbox, "100000328", token)
    assert (missing.status, missing.json["code"]) == (404, "NOT_FOUND")
    assert missing.json["message"] == "targetVrn does not match a registered company"
    malformed = await asking.hmrc(sandbox, "12345", token)
    assert (malformed.status, malformed.json["code"]) == (400, "INVALID_REQUEST")
    stranger = await asking.hmrc(sandbox, "100000230", "made-up")
    assert (stranger.status, stranger.json["code"]) == (401, "INVALID_CREDENTIALS")
    path = "/organisations/vat/check-vat-number/lookup/100000230"
    bearer = {"Authorization": f"Bearer {token}"}
    bare = await asking.call(sandbox, "GET", "hmrc", path, headers=bearer)
    assert (bare.status, bare.json["code"]) == (406, "ACCEPT_HEADER_INVALID")


async def test_hmrc_tokens_end_and_can_be_revoked(sandbox: RunningSandbox) -> None:
    await sandbox.limit("hmrc")
    token = await asking.hmrc_token(sandbox)
    await sandbox.control("POST", "hmrc/tokens", {"revoke": True})
    assert (await asking.hmrc(sandbox, "100000230", token)).status == 401
    await sandbox.control("POST", "hmrc/tokens", {"lifetime_s": 0})
    assert (await asking.hmrc(sandbox, "100000230", await asking.hmrc_token(sandbox))).status == 401
    form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"}
    refused = await asking.call(sandbox, "POST", "hmrc", "/oauth/token", data=form)
    assert (refused.status, refused.json["error"]) == (401, "invalid_client")


async def test_gleif_gives_one_record(sandbox: RunningSandbox) -> None:
    got = await asking.gleif(sandbox, "SBOX00ISSUED00000047")
    assert got.headers["content-type"] == "application/vnd.api+json"
    attributes = got.json["data"]["attributes"]
    assert got.json["data"]["id"] == attributes["lei"] == "SBOX00ISSUED00000047"
    assert attributes["entity"]["status"] == "ACTIVE"
    assert attributes["entity"]["legalName"]["name"]
    assert attributes["registration"]["status"] == "ISSUED"
    missing = await asking.gleif(sandbox, "SBOX00MISSING0000003")
    assert missing.status == 404
    assert missing.json == {"errors": [{"status": "404", "title": "Not Found"}]}


async def test_gleif_pages_leave_out_what_does_not_exist(sandbox: RunningSandbox) -> None:
    asked = ("SBOX00RETIRED0000082", "SBOX00MISSING0000003", "SBOX00ISSUED00000047")
    got = await asking.gleif_bulk(sandbox, *asked, size=1, page=2)
    assert [record["id"] for record in got.json["data"]] == ["SBOX00RETIRED0000082"]
    pagination = got.json["meta"]["pagination"]
    assert (pagination["currentPage"], pagination["perPage"]) == (2, 1)
    assert (pagination["total"], pagination["lastPage"]) == (2, 2)


async def test_gleif_refuses_a_page_with_one_wrong_checksum(sandbox: RunningSandbox) -> None:
    got = await asking.gleif_bulk(sandbox, "SBOX00ISSUED00000047", "SBOX00ISSUED00000048")
    assert got.status == 400


async def test_companies_house_gives_a_profile_with_its_quota(sandbox: RunningSandbox) -> None:
    got = await asking.company(sandbox, "00000101")
    assert got.status == 200
    assert got.json["company_number"] == "00000101"
    assert got.json["company_status"] == "active"
    assert got.json["registered_office_address"]["postal_code"]
    assert (got.headers["x-ratelimit-limit"], got.headers["x-ratelimit-remain"]) == ("600", "599")
    assert got.headers["x-ratelimit-window"] == "5m"
    assert int(got.headers["x-ratelimit-reset"]) > 1_700_000_000
    gone = await asking.company(sandbox, "00000301")
    assert (gone.json["company_status"], len(gone.json["date_of_cessation"])) == ("dissolved", 10)
    missing = await asking.company(sandbox, "00000404")
    assert missing.status == 404
    assert missing.json["errors"] == [{"error": "company-profile-not-found", "type": "ch:service"}]


async def test_companies_house_wants_its_key(sandbox: RunningSandbox) -> None:
    got = await asking.call(sandbox, "GET", "companies-house", "/company/00000101")
    assert got.status == 401
    assert got.json == {"error": "Invalid Authorization", "type": "ch:service"}


async def test_zerobounce_answers_one_address(sandbox: RunningSandbox) -> None:
    got = await asking.mailbox(sandbox, "Valid@example.com")
    assert got.json["address"] == "valid@example.com"
    assert (got.json["status"], got.json["sub_status"]) == ("valid", "")
    assert got.json["mx_found"] == "true"
    assert isinstance(got.json["domain_age_days"], str)
    assert set(got.json) == {
        "address", "status", "sub_status", "free_email", "did_you_mean", "account", "domain",
        "domain_age_days", "smtp_provider", "mx_found", "mx_record", "firstname", "lastname",
        "gender", "country", "region", "city", "zipcode", "processed_at",
    }  # fmt: skip


async def test_zerobounce_answers_many_addresses(sandbox: RunningSandbox) -> None:
    got = await asking.mailboxes(sandbox, "valid@example.com", "spamtrap@example.com")
    statuses = {item["address"]: item["status"] for item in got.json["email_batch"]}
    assert statuses == {"valid@example.com": "valid", "spamtrap@example.com": "spamtrap"}
    assert got.json["errors"] == []


async def test_zerobounce_refuses_a_key_with_status_200(sandbox: RunningSandbox) -> None:
    single = await asking.mailbox(sandbox, "valid@example.com", key="stolen")
    assert single.status == 200
    assert single.json == {"error": "Invalid API key or your account ran out of credits"}
    bulk = await asking.mailboxes(sandbox, "valid@example.com", key="stolen")
    assert bulk.json["email_batch"] == []
    assert bulk.json["errors"][0]["email_address"] == "all"
    query = {"api_key": "stolen"}
    credits_left = await asking.call(sandbox, "GET", "zerobounce", "/v2/getcredits", params=query)
    assert credits_left.json == {"Credits": "-1"}


async def test_zerobounce_runs_out_of_credit(sandbox: RunningSandbox) -> None:
    """Its own sandbox addresses are free, every other decided answer costs one."""
    await sandbox.control("POST", "zerobounce/credits", {"credits": 1})
    decided = (f"person{number}@firm.example" for number in itertools.count())
    assert "status" in (await asking.mailbox(sandbox, "valid@example.com")).json
    answers = [(await asking.mailbox(sandbox, next(decided))).json for _ in range(3)]
    assert "status" in answers[0]
    assert answers[2] == {"error": "Invalid API key or your account ran out of credits"}


async def test_twilio_tells_the_line(sandbox: RunningSandbox) -> None:
    got = await asking.phone(sandbox, "+442079460001")
    assert got.json["phone_number"] == "+442079460001"
    assert (got.json["calling_country_code"], got.json["country_code"]) == ("44", "GB")
    assert (got.json["valid"], got.json["validation_errors"]) == (True, [])
    line = got.json["line_type_intelligence"]
    assert (line["type"], line["error_code"]) == ("landline", None)
    assert line["carrier_name"]


async def test_twilio_without_fields_is_about_the_form_only(sandbox: RunningSandbox) -> None:
    path = "/v2/PhoneNumbers/+442079460001"
    got = await asking.call(sandbox, "GET", "twilio", path, headers=asking.BASIC)
    assert (got.json["valid"], got.json["line_type_intelligence"]) == (True, None)


async def test_twilio_names_its_errors(sandbox: RunningSandbox) -> None:
    missing = await asking.phone(sandbox, "+46701740627")
    assert (missing.status, missing.json["code"]) == (404, 20404)
    assert missing.json["more_info"] == "https://www.twilio.com/docs/errors/20404"
    stranger = await asking.call(sandbox, "GET", "twilio", "/v2/PhoneNumbers/+442079460001")
    assert (stranger.status, stranger.json["code"]) == (401, 20003)
    short = await asking.phone(sandbox, "+46701740621")
    assert (short.json["valid"], short.json["validation_errors"]) == (False, ["TOO_SHORT"])
    failed = await asking.phone(sandbox, "+46701740632")
    assert failed.json["valid"] is True
    assert failed.json["line_type_intelligence"]["error_code"] == 60620


async def test_postcodes_io_answers_one(sandbox: RunningSandbox) -> None:
    found = await asking.postcode(sandbox, "SW1A2AA")
    assert found.json["status"] == 200
    assert found.json["result"]["postcode"] == "SW1A 2AA"
    assert found.json["result"]["admin_district"] == "Westminster"
    ended = await asking.postcode(sandbox, "E1W 1UU")
    assert (ended.status, ended.json["error"]) == (404, "Postcode not found")
    assert ended.json["terminated"]["year_terminated"] == 2015
    malformed = await asking.postcode(sandbox, "NOPE")
    assert malformed.json == {"status": 404, "error": "Invalid postcode"}
    path = "/terminated_postcodes/E1W 1UU"
    when = await asking.call(sandbox, "GET", "postcodes-io", path)
    assert when.json["result"]["month_terminated"] == 2


async def test_postcodes_io_answers_many_echoing_the_query(sandbox: RunningSandbox) -> None:
    got = await asking.postcodes(sandbox, "sw1a2aa", "LS1 9ZZ")
    assert [item["query"] for item in got.json["result"]] == ["sw1a2aa", "LS1 9ZZ"]
    assert got.json["result"][0]["result"]["postcode"] == "SW1A 2AA"
    assert got.json["result"][1]["result"] is None
    assert (await asking.postcodes(sandbox, *["SW1A 2AA"] * 101)).status == 400


async def test_google_leaves_out_what_is_false(sandbox: RunningSandbox) -> None:
    got = await asking.address(sandbox, "1 Premise Street", locality="Leeds", postalCode="LS1 1AA")
    assert got.json["result"]["verdict"] == {
        "inputGranularity": "PREMISE",
        "validationGranularity": "PREMISE",
        "geocodeGranularity": "PREMISE",
        "addressComplete": True,
        "possibleNextAction": "ACCEPT",
    }
    found = got.json["result"]["address"]
    assert found["postalAddress"]["regionCode"] == "GB"
    assert found["formattedAddress"] == "1 Premise Street, Leeds, LS1 1AA"
    assert {part["confirmationLevel"] for part in found["addressComponents"]} == {"CONFIRMED"}
    assert "missingComponentTypes" not in found


async def test_google_marks_the_part_that_is_wrong(sandbox: RunningSandbox) -> None:
    async def marked(line: str) -> dict[str, str]:
        parts = {"locality": "Leeds", "postalCode": "LS1 1AA"}
        got = (await asking.address(sandbox, line, **parts)).json["result"]["address"]
        return {
            part["componentType"]: part["confirmationLevel"]
            for part in got["addressComponents"]
            if part["confirmationLevel"] != "CONFIRMED" or "inferred" in part or "replaced" in part
        }

    assert await marked("11 suspect street") == {"street_number": "UNCONFIRMED_AND_SUSPICIOUS"}
    assert await marked("5 Replaced Street") == {"locality": "CONFIRMED"}
    assert await marked("6 Inferred Street") == {"postal_code": "CONFIRMED"}


async def test_google_says_why_it_does_not_answer(sandbox: RunningSandbox) -> None:
    async def told(*lines: str, **options: str) -> tuple[int, int, str, str | None]:
        got = await asking.address(sandbox, *lines, **options)
        error = got.json["error"]
        reason = error["details"][0]["reason"] if "details" in error else None
        return got.status, error["code"], error["status"], reason

    assert await told("1 Premise Street", key="") == (403, 403, "PERMISSION_DENIED", None)
    wrong = (400, 400, "INVALID_ARGUMENT", "API_KEY_INVALID")
    assert await told("1 Premise Street", key="made-up") == wrong
    assert await told("1 Premise Street", region="AQ") == (400, 400, "INVALID_ARGUMENT", None)
    assert await told() == (400, 400, "INVALID_ARGUMENT", None)
    elsewhere = await asking.call(sandbox, "GET", "google-address", "/v1:validateAddress")
    assert (elsewhere.status, elsewhere.json["error"]["status"]) == (404, "NOT_FOUND")


async def test_a_resolver_answers_as_google_does(sandbox: RunningSandbox) -> None:
    got = await asking.domain(sandbox, "Firm.Example", accept="*/*")
    assert got.headers["content-type"].startswith("application/json")
    assert got.json == {
        "Status": 0,
        "TC": False,
        "RD": True,
        "RA": True,
        "AD": False,
        "CD": False,
        "Question": [{"name": "Firm.Example.", "type": 15}],
        "Answer": [
            {"name": "firm.example.", "type": 15, "TTL": 300, "data": "10 mx.firm.example."}
        ],
    }
    missing = (await asking.domain(sandbox, "nxdomain.example.net")).json
    assert (missing["Status"], "Answer" in missing) == (3, False)
    assert missing["Authority"][0]["type"] == 6
    null = (await asking.domain(sandbox, "null-mx.example.net")).json
    assert [one["data"] for one in null["Answer"]] == ["0 ."]
    alias = (await asking.domain(sandbox, "alias.example.net")).json
    assert [one["type"] for one in alias["Answer"]] == [5, 15]
    assert (await asking.domain(sandbox, "a..b")).status == 400
    assert (await asking.domain(sandbox, "")).status == 400


async def test_a_resolver_answers_as_cloudflare_does(sandbox: RunningSandbox) -> None:
    got = await asking.domain(sandbox, "firm.example", path="/dns-query")
    assert got.headers["content-type"] == "application/dns-json"
    assert got.json["Question"] == [{"name": "firm.example", "type": 15}]
    assert got.json["Answer"][0]["name"] == "firm.example"
    assert got.json["Answer"][0]["data"] == "10 mx.firm.example."
    refused = await asking.domain(sandbox, "firm.example", path="/dns-query", accept="*/*")
    assert refused.status == 415


async def test_the_same_value_has_the_same_answer(sandbox: RunningSandbox) -> None:
    first = await asking.mailbox(sandbox, "somebody@firm.example")
    assert (await asking.mailbox(sandbox, "somebody@firm.example")).body == first.body
