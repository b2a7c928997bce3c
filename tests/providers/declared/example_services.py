"""What the services of examples/declared/ answer, in their documented shapes; values say which."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from tests.declared_standin import Reply, Seen

Record = Mapping[str, Any]


class Example(Struct, frozen=True):
    """One file of examples/declared/, and what its service answers.

    `cases` are records with the status, the first reason and a fact that they have to get; `path`
    leads to the verdict's evidence, `fact` names one of it.
    """

    name: str
    answers: Callable[[Seen], Reply]
    selection: str
    cases: tuple[tuple[Record, str, str | None], ...]
    facts: Mapping[str, Any]
    throttled: Record


def _word(seen: Seen) -> str:
    """Return the local part of the address that was asked, which says what to answer."""
    return (seen.asked("email") or "").partition("@")[0]


def _hunter(seen: Seen) -> Reply:
    word, email = _word(seen), seen.asked("email")
    assert seen.path == "/v2/email-verifier"
    assert seen.asked("api_key") == "KEY"
    if word == "nokey":
        details = "No user found for the API key supplied"
        return Reply({"errors": [{"id": "authentication_failed", "code": 401, "details": details}]})
    if word == "throttled":
        return Reply({"errors": [{"id": "too_many_requests", "code": 403}]}, 403)
    if word == "pending":
        return Reply({"data": None, "meta": {"params": {"email": email}}}, 202)
    if word == "claimed":
        return Reply({"errors": [{"id": "claimed_email", "code": 451}]}, 451)
    data = {
        "status": word,
        "result": "deliverable",
        "_deprecation_notice": "Using result is deprecated, use status instead",
        "score": 97,
        "email": email,
        "regexp": True,
        "gibberish": False,
        "disposable": False,
        "webmail": False,
        "mx_records": True,
        "smtp_server": True,
        "smtp_check": True,
        "accept_all": False,
        "block": False,
        "sources": [{"domain": "a.example", "uri": "https://a.example", "still_on_page": True}],
    }
    return Reply({"data": data, "meta": {"params": {"email": email}}})


def _abstract(seen: Seen) -> Reply:
    word, email = _word(seen), seen.asked("email")
    assert seen.path == "/v1/"
    if word == "nokey":
        return Reply({"error": {"message": "Invalid API key", "code": "unauthorized"}})
    if word == "throttled":
        return Reply({"error": {"message": "Too many requests", "code": "too_many_requests"}}, 429)
    if word == "quota":
        return Reply({"error": {"message": "Quota reached", "code": "quota_reached"}}, 422)

    words = {"good": "DELIVERABLE", "bad": "UNDELIVERABLE", "later": "UNKNOWN"}

    def said(value: bool | None) -> dict[str, object]:  # noqa: FBT001 - a fact
        return {"value": value, "text": str(value).upper()}

    return Reply({
        "email": email,
        "autocorrect": "" if word == "good" else "b@c.example",
        "deliverability": words.get(word, "WHAT"),
        "quality_score": "0.95",
        "is_valid_format": said(value=True),
        "is_free_email": said(value=False),
        "is_disposable_email": said(value=False),
        "is_role_email": said(value=False),
        "is_catchall_email": said(value=True),
        "is_mx_found": said(value=None),
        "is_smtp_valid": said(value=True),
    })  # fmt: skip


def _bounced(email: str) -> dict[str, object]:
    word = email.partition("@")[0]
    reasons = {"deliverable": "accepted_email", "undeliverable": "rejected_email"}
    return {
        "email": email,
        "status": word,
        "reason": reasons.get(word, "unknown"),
        "domain": {"name": "b.example", "acceptAll": "no", "disposable": "no", "free": "no"},
        "account": {"role": "no", "disabled": "no", "fullMailbox": "no"},
        "dns": {"type": "MX", "record": "mx.b.example."},
        "provider": "example",
        "score": 100,
        "toxic": "unknown",
    }


def _bouncer(seen: Seen) -> Reply:
    assert seen.headers["x-api-key"] == "KEY"
    if seen.path == "/v1.1/email/verify/batch/sync":
        return Reply([_bounced(email) for email in reversed(seen.json)])
    word = _word(seen)
    if word == "broke":
        error = {"status": "402", "error": "Payment Required", "message": "0 credits left"}
        return Reply(error, 200)
    if word == "throttled":
        return Reply({"status": 429, "error": "Too Many Requests"}, 429)
    return Reply(_bounced(seen.asked("email") or ""))


def _vatstack(seen: Seen) -> Reply:
    assert seen.method == "POST"
    query = seen.json["query"]
    valid = {"DE136695976": True, "FR40303265045": False}.get(query)
    if query == "IT00743110157":
        return Reply({"statusCode": 429, "error": "Too Many Requests"}, 429)
    found = {
        "active": valid,
        "company_address": "Street 1" if valid else None,
        "company_name": "ACME GMBH" if valid else None,
        "company_type": None,
        "consultation_number": None,
        "country_code": query[:2],
        "created": "2026-01-31T10:00:00.000Z",
        "id": "5f3a",
        "query": query,
        "requested": "2026-01-31T00:00:00.000Z",
        "type": "eu_vat",
        "valid": valid,
        "valid_format": True,
        "vat_number": query[2:],
    }
    return Reply(found | ({"code": "MS_UNAVAILABLE"} if query == "ATU13585627" else {}), 201)


def _ibanapi(seen: Seen) -> Reply:
    iban = seen.path.rpartition("/")[2]
    if iban.startswith("GB"):
        return Reply({"result": 400, "message": "Invalid IBAN Number", "data": {}}, 400)
    if iban.startswith("FR"):
        return Reply({"result": 401, "message": "Invalid API key"}, 200)
    if iban.startswith("NL"):
        return Reply({"result": 429, "message": "Too many requests"}, 429)
    if iban.startswith("AT"):
        return Reply({"result": 200, "message": "Something new", "data": {}})
    bank = {"bank_name": "Commerzbank", "bic": "COBADEFFXXX", "city": "", "zip": "", "phone": ""}
    return Reply({
        "result": 200,
        "message": "Valid IBAN Number",
        "validations": [{"result": 200, "message": "Valid IBAN length"}],
        "expremental": 0,
        "data": {
            "country_code": "DE",
            "currency_code": "EUR",
            "sepa_member": "Yes",
            "bban": iban[4:],
            "bank": bank,
        },
    })  # fmt: skip


def _opencorporates(seen: Seen) -> Reply:
    number = seen.path.rpartition("/")[2]
    assert seen.path.startswith("/v0.4/companies/nl/")
    assert seen.asked("api_token") == "KEY"
    if number == "404":
        return Reply({"error": {"message": "Not Found"}}, 404)
    if number == "401":
        return Reply({"error": {"message": "Invalid Api Token"}})
    if number == "429":
        return Reply({"error": {"message": "Too many requests"}}, 429)
    company = {
        "name": "Bover B.V.",
        "company_number": number,
        "jurisdiction_code": "nl",
        "incorporation_date": "2001-02-03",
        "dissolution_date": None,
        "company_type": "Besloten Vennootschap",
        "inactive": {"17087985": False, "17087986": True}.get(number),
        "current_status": "Active",
        "registered_address_in_full": "Street 1, Eindhoven",
    }
    return Reply({"api_version": "0.4", "results": {"company": company}})


def _openfigi(seen: Seen) -> Reply:
    asked = [job["idValue"] for job in seen.json]
    assert {job["idType"] for job in seen.json} == {"ID_ISIN"}
    if "DE0007236101" in asked:
        return Reply(b"<html>429</html>", 429, {"Content-Type": "text/html"})
    security = {
        "figi": "BBG000B9XRY4",
        "name": "APPLE INC",
        "ticker": "AAPL",
        "exchCode": "US",
        "securityType": "Common Stock",
        "marketSector": "Equity",
        "compositeFIGI": "BBG000B9XRY4",
    }
    answers: dict[str, object] = {
        "US5949181045": {"warning": "No identifier found."},
        "GB0002634946": {"error": "Invalid idValue format"},
        "JP3435000009": {"news": "of another sort"},
    }
    return Reply(
        [answers.get(one, {"data": [security]}) for one in asked],
        200,
        {"ratelimit-limit": "25", "ratelimit-remaining": "24", "ratelimit-reset": "60"},
    )


def email(word: str) -> Record:
    return {"email": f"{word}@b.example"}


def company(number: str) -> Record:
    return {"company": {"number": number, "jurisdiction": "NL"}}


EXAMPLES = (
    Example(
        "hunter",
        _hunter,
        "email { status reasons { code } facts: hunter { status score webmail sources } }",
        (
            (email("valid"), "VALID", None),
            (email("invalid"), "INVALID", "MAILBOX_NOT_FOUND"),
            (email("accept_all"), "RISKY", "CATCH_ALL"),
            (email("disposable"), "RISKY", "DISPOSABLE_DOMAIN"),
            (email("unknown"), "UNKNOWN", "MAILBOX_UNREACHABLE"),
            (email("nokey"), "UNKNOWN", "PROVIDER_REFUSED"),
            (email("pending"), "UNKNOWN", "SOURCE_UNAVAILABLE"),
            (email("claimed"), "UNKNOWN", "NOT_COVERED"),
            (email("a_new_word"), "UNKNOWN", "PROVIDER_PROTOCOL"),
        ),
        {"status": "valid", "score": 97, "webmail": False, "sources": ["https://a.example"]},
        email("throttled"),
    ),
    Example(
        "abstractapi",
        _abstract,
        "email { status reasons { code } facts: mailbox { deliverable catchAll suggestion } }",
        (
            (email("good"), "VALID", None),
            (email("bad"), "INVALID", "MAILBOX_NOT_FOUND"),
            (email("later"), "UNKNOWN", "MAILBOX_UNREACHABLE"),
            (email("what"), "UNKNOWN", "PROVIDER_PROTOCOL"),
            (email("nokey"), "UNKNOWN", "PROVIDER_REFUSED"),
        ),
        {"deliverable": True, "catchAll": True, "suggestion": None},
        email("throttled"),
    ),
    Example(
        "bouncer",
        _bouncer,
        "email { status reasons { code } facts: bouncer { reason score provider catchAll full } }",
        (
            (email("deliverable"), "VALID", None),
            (email("undeliverable"), "INVALID", "MAILBOX_NOT_FOUND"),
            (email("risky"), "RISKY", "MAILBOX_UNREACHABLE"),
            (email("unknown"), "UNKNOWN", "MAILBOX_UNREACHABLE"),
            (email("broke"), "UNKNOWN", "OUT_OF_CREDIT"),
        ),
        {
            "reason": "accepted_email",
            "score": 100,
            "provider": "example",
            "catchAll": False,
            "full": False,
        },
        email("throttled"),
    ),
    Example(
        "vatstack",
        _vatstack,
        "vatNumber { status reasons { code } facts: registry { registeredName confirmedAt } }",
        (
            ({"vatNumber": "DE136695976"}, "VALID", None),
            ({"vatNumber": "FR40303265045"}, "INVALID", "NOT_REGISTERED"),
            ({"vatNumber": "ATU13585627"}, "UNKNOWN", "SOURCE_UNAVAILABLE"),
            ({"vatNumber": "BE0428759497"}, "UNKNOWN", "SOURCE_UNAVAILABLE"),
        ),
        {"registeredName": "ACME GMBH", "confirmedAt": "2026-01-31T00:00:00+00:00"},
        {"vatNumber": "IT00743110157"},
    ),
    Example(
        "ibanapi",
        _ibanapi,
        "iban { status reasons { code } facts: bank { name bic city currency sepa } }",
        (
            ({"iban": "DE89370400440532013000"}, "VALID", None),
            ({"iban": "GB33BUKB20201555555555"}, "INVALID", "MALFORMED"),
            ({"iban": "FR1420041010050500013M02606"}, "UNKNOWN", "PROVIDER_REFUSED"),
            ({"iban": "AT611904300234573201"}, "UNKNOWN", "PROVIDER_PROTOCOL"),
        ),
        {
            "name": "Commerzbank",
            "bic": "COBADEFFXXX",
            "city": None,
            "currency": "EUR",
            "sepa": True,
        },
        {"iban": "NL91ABNA0417164300"},
    ),
    Example(
        "opencorporates",
        _opencorporates,
        "company { status reasons { code } facts: registry { registeredName incorporatedOn } }",
        (
            (company("17087985"), "VALID", None),
            (company("17087986"), "INVALID", "DISSOLVED"),
            (company("17087987"), "UNKNOWN", "SOURCE_UNAVAILABLE"),
            (company("404"), "INVALID", "NOT_REGISTERED"),
            (company("401"), "UNKNOWN", "PROVIDER_REFUSED"),
        ),
        {"registeredName": "Bover B.V.", "incorporatedOn": "2001-02-03"},
        company("429"),
    ),
    Example(
        "openfigi",
        _openfigi,
        "isin { status reasons { code } facts: registry { name ticker figi exchanges } }",
        (
            ({"isin": "US0378331005"}, "VALID", None),
            ({"isin": "US5949181045"}, "INVALID", "NOT_REGISTERED"),
            ({"isin": "GB0002634946"}, "UNKNOWN", "REJECTED_BY_PROVIDER"),
            ({"isin": "JP3435000009"}, "UNKNOWN", "PROVIDER_PROTOCOL"),
            ({"isin": "US0378331006"}, "INVALID", "WRONG_CHECK_DIGIT"),
        ),
        {"name": "APPLE INC", "ticker": "AAPL", "figi": "BBG000B9XRY4", "exchanges": ["US"]},
        {"isin": "DE0007236101"},
    ),
)
