"""Calls and answers of declared services: what each way of sending, signing and matching does."""

from collections.abc import Mapping

import pytest

from providers.declared.conversation import DeclaredService
from providers.errors import Faulted, ProtocolBroken
from providers.exchange import Account, Answer, Call
from tests.providers.conversation import account, answer, converse
from tests.providers.declared.declaring import BATCH, LOOK_UP, service
from verdicts.outcome import Found

A, B, C = "a@one.example", "b@two.example", "c@three.example"
STATUS = 'answer.status = { read = "status", map = { good = "VALID", bad = "INVALID" } }\n'


def told(found: Mapping[str, Found]) -> dict[str, str]:
    """Return each value's conclusion and reasons in one text."""
    return {
        value: " ".join([one.conclusion.value, *(reason.code.value for reason in one.reasons)])
        for value, one in found.items()
    }


def asked(one: DeclaredService, *values: str, by: Account | None = None) -> Call:
    """Return the call that is made first."""
    return next(one.ask(values, by or account(token=None)))


def test_a_get_has_the_parts_of_the_value_where_they_are_named() -> None:
    call = asked(service(LOOK_UP), A)
    assert (call.method, call.path, call.query) == ("GET", "/check/a", (("domain", "one.example"),))
    assert not call.safe


def test_a_post_has_its_json_with_other_values_as_they_are() -> None:
    table = LOOK_UP.replace(
        'path = "/check/{local}", query = { domain = "{domain}" }',
        'method = "POST", safe_to_repeat = true, headers = { X-Domain = "{domain:upper}" },'
        ' json = { deep = [{ is = "<{value}>" }], n = 3, yes = true, "{value}" = "{{plain}}" }',
    )
    call = asked(service(table), A)
    assert call.json == {
        "deep": [{"is": f"<{A}>"}],
        "n": 3,
        "yes": True,
        "{value}": "{plain}",
    }
    assert call.headers == (("X-Domain", "ONE.EXAMPLE"),)
    assert call.safe


def test_a_post_has_its_form() -> None:
    table = LOOK_UP.replace(
        'path = "/check/{local}", query = { domain = "{domain}" }',
        'method = "POST", path = "/check", form = { address = "{value}" }',
    )
    assert asked(service(table), A).form == (("address", A),)


OAUTH = (
    'auth = { type = "oauth2", token_url = "https://login.example/token", scope = "read" }\n'
    + LOOK_UP
)
GOOD = answer({"status": "good"})


def test_a_token_is_fetched_kept_and_renewed_once_when_it_is_refused() -> None:
    one, ours = service(OAUTH), account(token=None)
    calls, found = converse(
        one,
        [A],
        answer({"access_token": "first", "token_type": "bearer"}),
        answer({"error": "expired"}, 401),
        answer({"access_token": "second", "token_type": "bearer"}),
        GOOD,
        by=ours,
    )
    assert told(found) == {A: "CONFIRMED"}
    token, look_up, again, repeated = calls
    assert (token.base_url, token.path) == ("https://login.example/token", "")
    assert token.form is not None
    assert dict(token.form) == {
        "grant_type": "client_credentials",
        "client_id": "id",
        "client_secret": "hush",
        "scope": "read",
    }
    assert look_up.headers == (("Authorization", "Bearer first"),)
    assert again == token
    assert repeated.headers == (("Authorization", "Bearer second"),)
    calls, _ = converse(one, [B], GOOD, by=ours)
    assert [call.headers for call in calls] == [(("Authorization", "Bearer second"),)]


def test_credentials_that_are_refused_are_told_as_that() -> None:
    for status, error in ((400, "invalid_client"), (401, "invalid_client")):
        with pytest.raises(Faulted, match="PROVIDER_REFUSED"):
            converse(service(OAUTH), [A], answer({"error": error}, status), by=account(token=None))
    refused = answer({}, 401)
    fresh = answer({"access_token": "t"})
    with pytest.raises(Faulted, match="PROVIDER_REFUSED"):
        converse(service(OAUTH), [A], fresh, refused, fresh, refused, by=account(token=None))


def test_a_token_may_be_fetched_with_basic_auth() -> None:
    one = service(OAUTH.replace('scope = "read"', 'credentials = "basic"'))
    call = asked(one, A)
    assert call.form == (("grant_type", "client_credentials"),)
    assert call.headers == (("Authorization", "Basic aWQ6aHVzaA=="),)


@pytest.mark.parametrize(
    "call, sent",
    [
        ('json = { emails = "{values}" }', {"emails": [A, B]}),
        ('json = "{values}", each = { id = "{value}" }', [{"id": A}, {"id": B}]),
        ('json = { list = "{values}" }, join = ";"', {"list": f"{A};{B}"}),
    ],
)
def test_a_bulk_call_carries_all_values(call: str, sent: object) -> None:
    table = BATCH.replace('json = { emails = "{values}" }', call)
    made = asked(service(f'{table}\nbulk_answer = {{ match = "position" }}\n{STATUS}'), A, B)
    assert made.json == sent
    assert made.bulk


def test_a_bulk_call_may_be_a_get_with_one_joined_text() -> None:
    table = BATCH.replace(
        'method = "POST", path = "/batch", json = { emails = "{values}" }',
        'path = "/batch", query = { of = "{values}" }, join = ","',
    )
    one = service(f'{table}\nbulk_answer = {{ match = "position" }}\n{STATUS}')
    assert asked(one, A, B).query == (("of", f"{A},{B}"),)
    assert one.serves(A)
    assert not one.serves("a,b@one.example")  # it would be taken for two


def items(*pairs: tuple[object, str]) -> Answer:
    return answer({"data": [{"of": of, "status": status} for of, status in pairs]})


def matching(match: str, more: str = "") -> DeclaredService:
    return service(f'{BATCH}\nbulk_answer = {{ items = "data", {match} }}\n{STATUS}{more}')


ABOUT = 'answer.about = "of"\n'
BY_KEY = 'match = "key"'
BY_INDEX = 'match = "index", index = "of"'
UNREAD = "UNDECIDED PROVIDER_PROTOCOL"


def single(one: DeclaredService, *answers: Answer) -> dict[str, str]:
    return told(converse(one, [A, B, C], *answers)[1])


def test_items_are_matched_by_position() -> None:
    one = matching('match = "position"')
    found = single(one, items((1, "good"), (2, "bad"), (3, "what")))
    assert found == {A: "CONFIRMED", B: "REFUTED", C: UNREAD}
    for broken in (items((1, "good"), (2, "bad")), items(*[(1, "good")] * 4), answer({"data": {}})):
        with pytest.raises(ProtocolBroken):
            single(one, broken)


def test_items_are_matched_by_key_whatever_their_order() -> None:
    one = matching(BY_KEY, ABOUT)
    found = single(one, items((C, "bad"), (A, "good"), (B, "good"), (A, "good")))
    assert found == {A: "CONFIRMED", B: "CONFIRMED", C: "REFUTED"}
    twice = single(one, items((A, "good"), (A, "bad"), (B, "good"), (C, "good")))
    assert twice[A] == UNREAD
    assert single(one, items((A, "good"))) == {A: "CONFIRMED"}  # the others are asked again
    for foreign in ("d@four.example", None, 3, A.upper()):
        with pytest.raises(ProtocolBroken, match="not asked"):
            single(one, items((A, "good"), (foreign, "good")))


def test_a_key_may_come_back_in_another_case() -> None:
    one = matching(BY_KEY, f"{ABOUT}answer.ignore_case = true\n")
    assert single(one, items((A.upper(), "good"))) == {A: "CONFIRMED"}


def test_items_are_matched_by_index() -> None:
    one = matching(BY_INDEX)
    assert single(one, items((2, "bad"), (0, "good"))) == {A: "CONFIRMED", C: "REFUTED"}
    from_one = matching(f"{BY_INDEX}, first_index = 1")
    assert single(from_one, items((1, "good"), (3, "bad"))) == {A: "CONFIRMED", C: "REFUTED"}
    for place in (3, -1, "0", None, True, 1.0):
        with pytest.raises(ProtocolBroken):
            single(one, items((place, "good")))


def test_a_value_that_a_bulk_answer_leaves_out_may_be_absent() -> None:
    one = matching(BY_KEY, f'{ABOUT}answer.absent = {{ missing = true, status = "INVALID" }}\n')
    assert single(one, items((A, "good"))) == {
        A: "CONFIRMED",
        B: "REFUTED NOT_REGISTERED",
        C: "REFUTED NOT_REGISTERED",
    }


def test_a_bulk_answer_that_is_not_whole_makes_nothing_absent() -> None:
    one = matching(
        f'{BY_KEY}, total = "count"',
        f'{ABOUT}answer.absent = {{ missing = true, status = "INVALID" }}\n',
    )
    whole = answer({"data": [{"of": A, "status": "good"}], "count": 1})
    assert single(one, whole)[B] == "REFUTED NOT_REGISTERED"
    broken: list[object] = [{"data": [], "count": 1}, {"data": []}, {"data": [], "count": "0"}]
    for body in broken:
        with pytest.raises(ProtocolBroken, match="not as many items as it says"):
            single(one, answer(body))


def test_an_item_that_is_an_error_decides_nothing_of_its_value() -> None:
    error = (
        'answer.errors = [{ when = "status == \'throttled\'", reason = "RATE_LIMITED" },'
        ' { when = "status == \'form\'", reason = "REJECTED_BY_PROVIDER" }]\n'
    )
    found = single(
        matching('match = "position"', error),
        items((1, "throttled"), (2, "good"), (3, "form")),
    )
    assert found == {
        A: "UNDECIDED RATE_LIMITED",
        B: "CONFIRMED",
        C: "UNDECIDED REJECTED_BY_PROVIDER",
    }


NOT_THERE = (
    'answer.absent = { http = [404], when = "code == \'none\'", status = "INVALID",'
    ' reason = "MAILBOX_NOT_FOUND" }\n'
)


def test_what_the_service_does_not_know_is_absent_by_its_own_word_alone() -> None:
    one = service(LOOK_UP + NOT_THERE)
    assert told(converse(one, [A], answer({"code": "none"}, 404))[1]) == {
        A: "REFUTED MAILBOX_NOT_FOUND"
    }
    assert told(converse(one, [A], answer({"code": "none"}))[1]) == {A: "REFUTED MAILBOX_NOT_FOUND"}
    for strange in (answer({}, 404), answer(b"<html>", 404), answer({"status": "good"}, 404)):
        with pytest.raises(ProtocolBroken):
            converse(one, [A], strange)


def test_an_answer_about_another_value_decides_nothing() -> None:
    one = service(f'{LOOK_UP}answer.about = "email"\n')
    assert told(converse(one, [A], answer({"email": A, "status": "good"}))[1]) == {A: "CONFIRMED"}
    for other in ({"email": B, "status": "good"}, {"status": "good"}):
        with pytest.raises(ProtocolBroken, match="another value"):
            converse(one, [A], answer(other))


def test_what_is_absent_is_absent_for_the_value_that_was_asked() -> None:
    absent = 'answer.absent = { when = "status == \'none\'", status = "INVALID" }\n'
    one = service(f'{LOOK_UP}answer.about = "email"\n{absent}')
    for body in ({"status": "none"}, {"status": "none", "email": A}):
        assert told(converse(one, [A], answer(body))[1]) == {A: "REFUTED NOT_REGISTERED"}
    for other in (B, 3):
        with pytest.raises(ProtocolBroken, match="another value"):
            converse(one, [A], answer({"status": "none", "email": other}))


@pytest.mark.parametrize(
    "status, body, reason",
    [
        (200, {"error": "quota"}, "QUOTA_EXHAUSTED"),
        (403, {"error": "quota"}, "QUOTA_EXHAUSTED"),
        (403, {}, "PROVIDER_UNAVAILABLE"),
        (403, b"<html>shield</html>", "PROVIDER_UNAVAILABLE"),
        (401, {}, "PROVIDER_REFUSED"),
        (402, {}, "OUT_OF_CREDIT"),
        (429, b"", "RATE_LIMITED"),
        (500, b"<html>", "PROVIDER_UNAVAILABLE"),
        (404, {}, "PROVIDER_PROTOCOL"),
        (302, {}, "PROVIDER_PROTOCOL"),
    ],
)
def test_errors_come_first_then_what_a_status_usually_means(
    status: int, body: object, reason: str
) -> None:
    errors = (
        'answer.errors = [{ when = "error == \'quota\'", reason = "QUOTA_EXHAUSTED" },'
        ' { http = [403], reason = "PROVIDER_UNAVAILABLE", repeat = false, pause = 300.0 }]\n'
    )
    with pytest.raises(Faulted, match=reason):
        converse(service(LOOK_UP + errors), [A], answer(body, status))


def test_a_condition_about_what_is_missing_says_nothing_of_a_page_that_is_not_json() -> None:
    one = service(f'{LOOK_UP}answer.errors = [{{ when = "!status", reason = "OUT_OF_CREDIT" }}]\n')
    with pytest.raises(Faulted, match="OUT_OF_CREDIT"):
        converse(one, [A], answer({}))
    with pytest.raises(ProtocolBroken):
        converse(one, [A], answer(b"<html>"))


@pytest.mark.parametrize(
    "quota, headers, body, left_s",
    [
        ('"seconds"', {"x_left": "0", "x_reset": "30"}, {}, 30.0),
        ('"milliseconds"', {"x_left": "0", "x_reset": "500"}, {}, 0.5),
        ('"seconds"', {"x_left": "1", "x_reset": "30"}, {}, None),
        ('"seconds"', {"x_left": "0"}, {}, None),
        ('"seconds"', {"x_left": "none", "x_reset": "30"}, {}, None),
        (
            '"epoch"',
            {"x_left": "0", "x_reset": "1790000060", "date": "Mon, 21 Sep 2026 14:13:20 GMT"},
            {},
            60.0,
        ),
        ('"epoch"', {"x_left": "0", "x_reset": "1790000060"}, {}, None),
    ],
)
def test_an_answer_says_when_nothing_is_left(
    quota: str, headers: dict[str, str], body: object, left_s: float | None
) -> None:
    table = (
        'answer.quota = { remaining = { header = "X-Left" }, reset = { header = "X-Reset" },'
        f" reset_as = {quota} }}\n"
    )
    assert service(LOOK_UP + table).exhausted_for_s(answer(body, 200, **headers)) == left_s


def test_a_quota_may_stand_in_the_body() -> None:
    quota = '{ remaining = { read = "left" }, reset = { read = "in" } }'
    one = service(f"{LOOK_UP}answer.quota = {quota}\n")
    assert one.exhausted_for_s(answer({"left": 0, "in": 5})) == 5.0
    assert one.exhausted_for_s(answer({"left": 2, "in": 5})) is None
    assert one.exhausted_for_s(answer(b"<html>")) is None


def test_only_the_countries_that_a_service_knows_are_asked_of_it() -> None:
    one = service(
        LOOK_UP.replace('"email"', '"vatNumber"').replace(
            '"/check/{local}", query = { domain = "{domain}" }', '"/vat/{country:lower}/{number}"'
        )
        + 'serves.country = ["GB", "NO"]\n'
    )
    assert one.serves("GB123456789")
    assert not one.serves("DE136695976")
    assert asked(one, "GB123456789").path == "/vat/gb/123456789"
