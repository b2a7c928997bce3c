"""What the configuration declares is asked, shown, kept and limited like what is built in."""

import tomllib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.assay_process import HASH_KEY, Living, Sections, living
from tests.declared_standin import Reply, Seen, StandIn, standing_in

DECLARED = """
[kinds.email]
checks = ["hunter"]
[kinds.isin]
description = "An international securities identification number (ISO 6166)."
strip = " -"
case = "upper"
pattern = "(?P<country>[A-Z]{2})[A-Z0-9]{9}[0-9]"
stdnum = "isin"
[kinds.taxId]
description = "A number of our own."
pattern = "[0-9]{4}"
[providers.hunter]
service = "http"
kind = "email"
base_url = "STAND_IN/v2"
api_key = "KEY"
price = 0.5
auth = { type = "query", name = "api_key" }
call = { path = "/verify", query = { email = "{value}" } }
[providers.hunter.answer]
item = "data"
about = "email"
errors = [{ when = "errors[0].code == `401`", reason = "PROVIDER_REFUSED" }]
status = { read = "status", map = { valid = "VALID", invalid = "INVALID", accept_all = "RISKY" } }
reasons = { read = "status", map = { accept_all = "CATCH_ALL", invalid = "MAILBOX_NOT_FOUND" } }
[providers.hunter.evidence]
score = { type = "Int", read = "score", description = "From 0 to 100." }
share = { type = "Float", read = "share" }
class = { type = "String", read = "class" }
free_mail = { type = "Boolean", read = "free" }
sources = { type = "[String]", read = "sources" }
last_seen = { type = "Date", read = "seen" }
[providers.figi]
service = "http"
kind = "isin"
check = "registry"
bulk = 10
base_url = "STAND_IN/v3"
bulk_answer = { match = "position" }
evidence.name = { type = "String", read = "data[0].name" }
[providers.figi.bulk_call]
method = "POST"
path = "/mapping"
json = "{values}"
each = { idType = "ID_ISIN", idValue = "{value}" }
[providers.figi.answer]
absent = { when = "warning == 'No identifier found.'", status = "INVALID" }
status = { read = "data[0].name && 'found'", map = { found = "VALID" } }
"""
TAXES = """
[kinds.taxId]
description = "A number of our own."
pattern = "[0-9]{4}"
[providers.taxes]
service = "http"
kind = "taxId"
check = "registry"
base_url = "STAND_IN/v1"
client_id = "ourselves"
client_secret = "hush"
auth = { type = "oauth2", token_url = "STAND_IN/token" }
call = { path = "/check", query = { number = "{value}" } }
answer.status = { read = "state", map = { known = "VALID" } }
"""
REVOKED_AFTER = 21
"""A token, and twenty values."""
FACTS = {
    "score": 97,
    "share": 1,
    "class": "a",
    "free": False,
    "sources": ["one", "two"],
    "seen": "2026-01-02T03:04:05Z",
}


def declared(stand_in: StandIn, valkey_url: str, text: str = DECLARED) -> Sections:
    given: Sections = tomllib.loads(text.replace("STAND_IN", stand_in.url))
    return {
        **given,
        "redis": {"url": valkey_url, "timeout_ms": 3000},
        "cache": {"hash_key": HASH_KEY},
    }


def answering(seen: Seen) -> Reply:
    if seen.path == "/v3/mapping":
        missing = {"warning": "No identifier found."}
        return Reply([
            missing if job["idValue"] == "US5949181045" else {"data": [{"name": "APPLE INC"}]}
            for job in seen.json
        ])  # fmt: skip
    email = seen.asked("email") or ""
    status = email.partition("@")[0]
    return Reply({"data": {"email": email, "status": status, **FACTS}})


@asynccontextmanager
async def at_work(valkey_url: str, text: str = DECLARED) -> AsyncGenerator[tuple[Living, StandIn]]:
    """Give an Assay with declared services, and the stand-in that answers for them."""
    async with (
        standing_in(answering) as service,
        living(declared(service, valkey_url, text)) as assay,
    ):
        yield assay, service


SELECTED = """
results {
  status
  email {
    status normalized source reasons { code }
    outcomes { check conclusion provider cost }
    hunter { score share class freeMail sources lastSeen }
  }
  isin { status normalized reasons { code retryable } registry { name } }
  verdicts { kind ... on IsinVerdict { registry { name } } }
}
usage { callsMade valuesAsked cost savedByCache }
"""


async def test_a_declared_service_answers_with_typed_evidence(valkey_url: str) -> None:
    async with standing_in(answering) as service:
        given = declared(service, valkey_url)
        async with living(given) as assay:
            answer: Any = None
            records = [{"email": "valid@b.example", "isin": "US0378331005"}]
            for _ in range(2):
                answer = await assay.validate(SELECTED, records)
            assert answer["results"][0]["isin"]["registry"] == {"name": "APPLE INC"}
            assert assay.schema.statistics.fast == 1
            assert assay.schema.statistics.replay == 0
        verdict = answer["results"][0]["email"]
        assert verdict["status"] == "VALID"
        assert verdict["hunter"] == {
            "score": 97,
            "share": 1.0,
            "class": "a",
            "freeMail": False,
            "sources": ["one", "two"],
            "lastSeen": "2026-01-02",
        }
        asked = verdict["outcomes"][-1]
        assert asked == {
            "check": "hunter",
            "conclusion": "CONFIRMED",
            "provider": "hunter",
            "cost": "0.5",
        }
        async with living(given) as another:  # what is kept is read with its facts by all
            known = await another.validate(SELECTED, [{"email": "valid@b.example"}])
        assert known["results"][0]["email"]["hunter"] == verdict["hunter"]
        assert known["usage"]["callsMade"] == 0
        (call,) = (one for one in service.calls if one.path == "/v2/verify")
        assert call.query == (("email", "valid@b.example"), ("api_key", "KEY"))


async def test_only_what_is_selected_of_a_declared_check_is_asked(valkey_url: str) -> None:
    records = [{"email": "valid@b.example"}]
    async with at_work(valkey_url) as (assay, service):
        local = await assay.validate("results { email { normalized } }", records)
        assert local["results"][0]["email"]["normalized"] == "valid@b.example"
        assert service.calls == []
        facts = await assay.validate("results { email { hunter { score } } }", records)
        assert facts["results"][0]["email"]["hunter"]["score"] == 97
    assert len(service.calls) == 1


async def test_words_of_a_declared_service_become_the_verdicts_that_they_are_mapped_to(
    valkey_url: str,
) -> None:
    words = ("valid", "invalid", "accept_all", "never_heard_of")
    records = [{"email": f"{word}@b.example"} for word in words]
    async with at_work(valkey_url) as (assay, _service):
        answer = await assay.validate(SELECTED, records)
    assert [
        (one["status"], [reason["code"] for reason in one["email"]["reasons"]])
        for one in answer["results"]
    ] == [
        ("VALID", []),
        ("INVALID", ["MAILBOX_NOT_FOUND"]),
        ("RISKY", ["CATCH_ALL"]),
        ("UNKNOWN", ["PROVIDER_PROTOCOL"]),
    ]


async def test_a_declared_kind_is_one_like_any_other(valkey_url: str) -> None:
    values = ("us-0378331005", "US5949181045", "US0378331006", "US03783310", " US0378331005 ")
    async with at_work(valkey_url) as (assay, service):
        answer = await assay.validate(
            SELECTED, [{"isin": value, "taxId": "0123"} for value in values]
        )
        kinds = await assay.ask("{ kinds { name checks { name local providers } } }")
    shown = [one["isin"] for one in answer["results"]]
    assert [(one["status"], one["normalized"]) for one in shown] == [
        ("VALID", "US0378331005"),
        ("INVALID", "US5949181045"),
        ("INVALID", None),
        ("INVALID", None),
        ("VALID", "US0378331005"),
    ]
    assert [one["reasons"] for one in shown[1:4]] == [
        [{"code": "NOT_REGISTERED", "retryable": False}],
        [{"code": "WRONG_CHECK_DIGIT", "retryable": False}],
        [{"code": "MALFORMED", "retryable": False}],
    ]
    assert shown[0]["registry"] == {"name": "APPLE INC"}
    assert answer["results"][0]["verdicts"] == [
        {"kind": "isin", "registry": {"name": "APPLE INC"}},
        {"kind": "taxId"},
    ]
    (call,) = service.calls  # both values that are well formed, once each
    assert [job["idValue"] for job in call.json] == ["US0378331005", "US5949181045"]
    by_name = {one["name"]: one["checks"] for one in kinds["data"]["kinds"]}
    assert by_name["isin"] == [
        {"name": "syntax", "local": True, "providers": []},
        {"name": "registry", "local": False, "providers": ["figi"]},
    ]
    assert [check["name"] for check in by_name["taxId"]] == ["syntax"]


async def test_a_refused_key_is_no_fault_of_the_value(valkey_url: str) -> None:
    def refuses(_: Seen) -> Reply:
        return Reply({"errors": [{"code": 401, "id": "wrong_key"}]})

    async with standing_in(refuses) as service, living(declared(service, valkey_url)) as assay:
        answer = await assay.validate(SELECTED, [{"email": "valid@b.example"}])
    verdict = answer["results"][0]["email"]
    assert verdict["status"] == "UNKNOWN"
    assert [reason["code"] for reason in verdict["reasons"]] == ["PROVIDER_REFUSED"]
    assert verdict["hunter"] is None


async def test_another_reading_asks_anew(valkey_url: str) -> None:
    """What was read by one map is not kept as an answer when the map is another."""
    records = [{"email": "accept_all@b.example"}]
    corrected = DECLARED.replace('accept_all = "RISKY"', 'accept_all = "VALID"')
    assert corrected != DECLARED

    async def status(assay: Living) -> object:
        return (await assay.validate("results { status }", records))["results"][0]["status"]

    async with at_work(valkey_url) as (assay, service):
        assert await status(assay) == "RISKY"
        async with living(declared(service, valkey_url, corrected)) as another:
            assert await status(another) == "VALID"


async def test_a_declared_provider_may_answer_a_check_that_is_built_in(valkey_url: str) -> None:
    text = """
    [kinds.email]
    checks = ["mailbox"]
    [providers.bouncer]
    service = "http"
    kind = "email"
    check = "mailbox"
    base_url = "STAND_IN"
    call = { path = "/check", query = { email = "{value}" } }
    evidence.suggestion = { read = "data.class" }
    evidence.freeProvider = { read = "data.free" }
    answer.status = { read = "data.status", map = { valid = "VALID" } }
    """
    selected = "results { status email { mailbox { freeProvider suggestion } } }"
    async with at_work(valkey_url, text) as (assay, _service):
        answer = await assay.validate(selected, [{"email": "valid@b.example"}])
    assert answer["results"] == [
        {"status": "VALID", "email": {"mailbox": {"freeProvider": False, "suggestion": "a"}}}
    ]


async def test_limits_of_a_declared_provider_hold(valkey_url: str) -> None:
    text = DECLARED.replace("price = 0.5", 'rates = ["2/m"]')
    records = [{"email": f"valid@{name}.example"} for name in "abcd"]
    async with at_work(valkey_url, text) as (assay, service):
        answer = await assay.validate(SELECTED, records, deadlineMs=1500)
    statuses = sorted(one["status"] for one in answer["results"])
    assert statuses == ["UNKNOWN", "UNKNOWN", "VALID", "VALID"]
    assert len(service.calls) == 2


async def test_a_rehearsal_asks_no_declared_service(valkey_url: str) -> None:
    """It has no stand-in in the sandbox, and the real one is not to be asked."""
    async with standing_in(answering) as service:
        given = declared(service, valkey_url)
        sandboxed = {**given, "gateway": {"sandbox": True}}
        async with living(sandboxed) as assay:
            answer = await assay.validate(SELECTED, [{"email": "valid@b.example"}], sandbox=True)
    verdict: Mapping[str, Any] = answer["results"][0]["email"]
    assert [reason["code"] for reason in verdict["reasons"]] == ["NOT_CONFIGURED"]
    assert service.calls == []


async def test_an_account_that_has_nothing_left_is_left_alone(valkey_url: str) -> None:
    quota = (
        '[providers.hunter.answer.quota]\nremaining = { header = "X-Left" }\n'
        'reset = { header = "X-Reset" }\n[providers.hunter.evidence]'
    )
    text = DECLARED.replace("[providers.hunter.evidence]", quota)

    def last(seen: Seen) -> Reply:
        return Reply(answering(seen).body, 200, {"X-Left": "0", "X-Reset": "600"})

    async with (
        standing_in(last) as service,
        living(declared(service, valkey_url, text)) as assay,
    ):
        first = await assay.validate(SELECTED, [{"email": "valid@a.example"}])
        second = await assay.validate(SELECTED, [{"email": "valid@b.example"}], deadlineMs=500)
    assert first["results"][0]["status"] == "VALID"
    reasons = second["results"][0]["email"]["reasons"]
    assert second["results"][0]["status"] == "UNKNOWN"
    assert [one["code"] for one in reasons] == ["QUOTA_EXHAUSTED"]
    assert len(service.calls) == 1


async def test_a_token_is_fetched_where_it_is_given_out_and_renewed_once(valkey_url: str) -> None:
    text = """
    [kinds.taxId]
    description = "A number of our own."
    pattern = "[0-9]{4}"
    [providers.taxes]
    service = "http"
    kind = "taxId"
    check = "registry"
    base_url = "STAND_IN/v1"
    client_id = "ourselves"
    client_secret = "hush"
    auth = { type = "oauth2", token_url = "STAND_IN/login/token" }
    call = { path = "/check/{value}" }
    answer.status = { read = "state", map = { known = "VALID" } }
    """
    given_out: list[str] = []

    def taxes(seen: Seen) -> Reply:
        if seen.path == "/login/token":
            assert seen.body == (
                b"grant_type=client_credentials&client_id=ourselves&client_secret=hush"
            )
            given_out.append(f"token {len(given_out)}")
            return Reply({"access_token": given_out[-1], "token_type": "Bearer"})
        if seen.headers["authorization"] == "Bearer token 0" and seen.path != "/v1/check/0001":
            return Reply({"error": "expired"}, 401)
        return Reply({"state": "known"})

    async with (
        standing_in(taxes) as service,
        living(declared(service, valkey_url, text)) as assay,
    ):
        for number in ("0001", "0002", "0003"):
            answer = await assay.validate("results { status }", [{"taxId": number}])
            assert answer["results"] == [{"status": "VALID"}]
    assert given_out == ["token 0", "token 1"]
    assert [call.path for call in service.calls] == [
        *("/login/token", "/v1/check/0001", "/v1/check/0002"),
        *("/login/token", "/v1/check/0002", "/v1/check/0003"),
    ]


async def test_values_that_come_at_once_fetch_one_token(valkey_url: str) -> None:
    """Each needs a token, and none has come yet; a refused one is fetched anew once for all."""
    tokens: list[str] = []

    def answering(seen: Seen) -> Reply:
        if seen.path == "/token":
            tokens.append(f"token {len(tokens)}")
            return Reply({"access_token": tokens[-1], "token_type": "bearer"})
        if seen.headers["authorization"] == "Bearer token 0" and len(service.calls) > REVOKED_AFTER:
            return Reply({"error": "expired"}, 401)
        return Reply({"state": "known"})

    async with standing_in(answering) as service:
        given = tomllib.loads(TAXES.replace("STAND_IN", service.url))
        async with living({**declared(service, valkey_url), **given}) as assay:
            for first in (1000, 2000):
                records = [{"taxId": str(first + at)} for at in range(20)]
                answer = await assay.validate("results { status }", records)
                assert [one["status"] for one in answer["results"]] == ["VALID"] * 20
    assert tokens == ["token 0", "token 1"]
