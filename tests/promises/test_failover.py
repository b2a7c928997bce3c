"""Several providers of one check: the next one answers for one that fails, or two must agree."""

from typing import Any

from tests.assay_process import CLOSED, Sections, living
from tests.sandbox_process import RunningSandbox

SELECTION = """
results {
  status
  verdicts {
    status reasons { code retryable }
    outcomes { check conclusion provider cost voices { provider conclusion reasons { code } } }
  }
}
usage { callsMade cost }
"""
COMPANY = [{"company": {"number": "00000101", "jurisdiction": "GB"}}]


def with_two(usual: Sections, strategy: str, **first: object) -> Sections:
    """Return settings with two accounts at Companies House, the first as told."""
    own: dict[str, Any] = {**usual["providers"]["companies_house"], "service": "companies_house"}
    providers = {**usual["providers"], "one": {**own, **first}, "two": own}
    check = {"providers": ["one", "two"], "strategy": strategy}
    return {**usual, "providers": providers, "checks": {"company": {"registry": check}}}


def registry(payload: Any) -> Any:  # noqa: ANN401, JSON
    outcomes = payload["results"][0]["verdicts"][0]["outcomes"]
    return next(one for one in outcomes if one["check"] == "registry")


async def test_the_next_provider_answers_for_one_that_is_down(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    secrets = {"api_key": "throw-away", "base_url": CLOSED, "bulk_base_url": CLOSED}
    async with living(with_two(usual, "failover", **secrets, price="0.02")) as assay:
        payload = await assay.validate(SELECTION, COMPANY)
    assert payload["results"][0]["status"] == "VALID"
    found = registry(payload)
    assert (found["provider"], found["conclusion"], found["voices"]) == ("two", "CONFIRMED", [])
    assert payload["usage"]["callsMade"] == 2
    assert len(await sandbox.log("companies-house")) == 1


async def test_two_that_differ_make_a_value_risky_and_show_why(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """Twice, so that the stock executor and the compiled lane have both told it."""
    payload: Any = None
    async with living(with_two(usual, "quorum")) as assay:
        for _ in range(2):
            await sandbox.fault("companies-house", "status_404", count=1)
            payload = await assay.validate(SELECTION, COMPANY, maxAge="PT0S")
            assert payload["results"][0]["status"] == "RISKY"
            reasons = payload["results"][0]["verdicts"][0]["reasons"]
            assert reasons == [{"code": "PROVIDERS_DISAGREE", "retryable": False}]
            voices = {one["provider"]: one for one in registry(payload)["voices"]}
            assert set(voices) == {"one", "two"}
            conclusions = {one["conclusion"]: one["reasons"] for one in voices.values()}
            assert conclusions == {"CONFIRMED": [], "REFUTED": [{"code": "NOT_REGISTERED"}]}
        again = await assay.validate(SELECTION, COMPANY)
        assert registry(again)["voices"] == registry(payload)["voices"], "they are kept, too"


async def test_two_that_agree_decide(sandbox: RunningSandbox, usual: Sections) -> None:
    async with living(with_two(usual, "quorum")) as assay:
        payload = await assay.validate(SELECTION, COMPANY)
    assert payload["results"][0]["status"] == "VALID"
    assert [one["conclusion"] for one in registry(payload)["voices"]] == ["CONFIRMED"] * 2
    assert len(await sandbox.log("companies-house")) == 2
