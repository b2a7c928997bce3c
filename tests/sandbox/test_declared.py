"""A stand-in that was told calls and answers gives those answers to those calls, and no others."""

from typing import Any

import aiohttp
import pytest

from tests.sandbox_process import RunningSandbox

MOUNT = "declared-service"
LOOKED_UP = {
    "value": "a+b@c.example",
    "method": "GET",
    "path": "/check/a%2Bb",
    "query": [["domain", "c.example"], ["key", "sandbox"]],
    "status": 404,
    "headers": {"content-type": "application/problem+json", "x-left": "7"},
    "body": '{"no": "such"}',
}
POSTED = {"value": "1", "method": "POST", "path": "/", "json": [{"id": "1"}], "body": "[1]"}
FORMED = {"value": "2", "method": "POST", "path": "/", "form": [["id", "2"]], "body": "[2]"}


@pytest.fixture
async def told(sandbox: RunningSandbox) -> RunningSandbox:
    answers = [LOOKED_UP, POSTED, FORMED]
    await sandbox.control(
        "POST", "declared", [{"mount": MOUNT, "service": "service", "answers": answers}]
    )
    return sandbox


async def call(
    sandbox: RunningSandbox,
    method: str,
    path: str,
    **more: Any,  # noqa: ANN401 - as aiohttp has it
) -> tuple[int, str, aiohttp.ClientResponse]:
    url = sandbox.url(MOUNT, path)
    async with sandbox.session.request(method, url, **more) as answer:
        return answer.status, await answer.text(), answer


async def test_a_told_call_gets_its_answer_whatever_the_order_of_its_parameters(
    told: RunningSandbox,
) -> None:
    status, body, answer = await call(
        told, "GET", "/check/a%2Bb", params=[("key", "sandbox"), ("domain", "c.example")]
    )
    assert (status, body) == (404, '{"no": "such"}')
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-left"] == "7"
    assert (await call(told, "POST", "/", json=[{"id": "1"}]))[:2] == (200, "[1]")
    assert (await call(told, "POST", "/", data={"id": "2"}))[:2] == (200, "[2]")
    assert await told.values_asked(MOUNT) == ["a+b@c.example", "1", "2"]


async def test_another_call_is_answered_about_nothing(told: RunningSandbox) -> None:
    for method, path, more in (
        ("GET", "/check/a%2Bb", {}),
        ("GET", "/check/a+b", {"params": {"key": "sandbox", "domain": "c.example"}}),
        ("POST", "/", {"json": [{"id": "3"}]}),
        ("POST", "/", {"data": {"id": "3"}}),
    ):
        status, body, _ = await call(told, method, path, **more)
        assert (status, body) == (501, "the declaration has no example of this call")


async def test_it_fails_on_demand_like_every_stand_in_and_stays_when_told_again(
    told: RunningSandbox,
) -> None:
    await told.fault(MOUNT, "status_503")
    assert (await call(told, "POST", "/", json=[{"id": "1"}]))[0] == 503
    declared = {"mount": MOUNT, "service": "service", "answers": [LOOKED_UP, POSTED, FORMED]}
    await told.control("POST", "declared", [declared])
    assert (await call(told, "POST", "/", json=[{"id": "1"}]))[0] == 503
    await told.control("POST", "declared", [{**declared, "answers": [POSTED]}])
    assert (await call(told, "POST", "/", json=[{"id": "1"}]))[0] == 200


@pytest.mark.parametrize("mode", ["unknown_status", "missing_field", "foreign", "duplicate_keys"])
async def test_what_drifts_elsewhere_does_not_break_it(told: RunningSandbox, mode: str) -> None:
    await told.fault(MOUNT, mode)
    assert (await call(told, "POST", "/", json=[{"id": "1"}]))[:2] == (200, "[1]")


@pytest.mark.parametrize(
    "declared",
    [{"mount": "vies", "service": "vies", "answers": []}, {"mount": MOUNT}, {}],
)
async def test_it_takes_no_services_place_and_nothing_half_told(
    sandbox: RunningSandbox, declared: dict[str, object]
) -> None:
    with pytest.raises(AssertionError):
        await sandbox.control("POST", "declared", [declared])
