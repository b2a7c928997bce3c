"""Every service as the sandbox speaks it, over real sockets."""

import asyncio
from collections.abc import Mapping

import pytest

from providers.catalogue import SERVICES
from providers.exchange import Service
from providers.services import (
    companies_house,
    dns_over_https,
    gleif,
    google_address,
    hmrc,
    postcodes_io,
    twilio_lookup,
    vies,
    zerobounce,
)
from sandbox.faults import MODES
from sandbox.inputs import SANDBOX_INPUTS
from tests.providers.asking import Asked, asked
from tests.providers.conftest import Outfit
from tests.providers.fault_outcomes import AS_EVER, EXCEPTIONS, IN_BULK, SINGLY, UNAVAILABLE
from tests.sandbox_process import RunningSandbox
from verdicts.outcome import Conclusion

MOUNTS: Mapping[str, list[str]] = {
    service.NAME: [
        path.split("/")[1]
        for path in (service.DEFAULTS.sandbox_path, service.DEFAULTS.bulk_sandbox_path)
        if path is not None
    ]
    for service in SERVICES
}
AROUND = {"company": "GB/{}", "postcode": "GB/{}", "address": "{}\nLEEDS\n\nLS1 1AA\nGB"}
"""What stands around a magic input in the canonical value of its kind."""
GOOD: Mapping[str, str] = {
    "vies": "DE123456788",
    "hmrc": "GB100000230",
    "gleif": "SBOX00ISSUED00000047",
    "companies_house": "GB/00000101",
    "zerobounce": "valid@example.com",
    "twilio_lookup": "+442079460001",
    "postcodes_io": "GB/SW1A 2AA",
    "dns_over_https": "one.example.org",
    "google_address": "1 PREMISE STREET\nLEEDS\n\nLS1 1AA\nGB",
}
SECOND: Mapping[str, str] = {
    "gleif": "SBOX00LAPSED00000088",
    "zerobounce": "invalid@example.com",
    "postcodes_io": "GB/M32 0JG",
}
MISSING: Mapping[str, str] = {
    "hmrc": "GB100000328",
    "gleif": "SBOX00MISSING0000003",
    "companies_house": "GB/00000404",
    "twilio_lookup": "+46701740627",
    "postcodes_io": "GB/LS1 9ZZ",
}
"""Values whose 404 says something about them."""
SHORT_S = 0.4
SLOW = {"hang", "drip"}
BIG = {"huge", "gzip_bomb"}
# These are answers of the contract, whoever sends them.
OWN_ANSWERS = {
    ("hmrc", "status_404"),
    ("gleif", "status_404"),
    ("companies_house", "status_404"),
    ("twilio_lookup", "status_404"),
    ("postcodes_io", "status_404"),
}


def canonical(service: Service, value: str) -> str:
    if service.CHECK == "domain":
        return value.rpartition("@")[2]
    return AROUND.get(service.KIND, "{}").format(value)


def by_name(service: Service) -> str:
    return service.NAME


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
async def test_every_magic_input_concludes_what_the_sandbox_documents(
    service: Service, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.limit(MOUNTS[service.NAME][0])
    expected = {
        canonical(service, one.value): one.conclusion
        for one in SANDBOX_INPUTS
        if one.service == service.NAME
    }
    provider = outfit(service, concurrency=1, bulk_from=1000)
    assert expected
    assert (await asked(provider, list(expected))).conclusions() == expected


@pytest.mark.parametrize("service", [gleif, zerobounce, postcodes_io], ids=by_name)
async def test_in_bulk_the_magic_inputs_conclude_the_same(service: Service, outfit: Outfit) -> None:
    expected = {
        canonical(service, one.value): one.conclusion
        for one in SANDBOX_INPUTS
        if one.service == service.NAME and not one.answer.isdigit()
    }
    answers = await asked(outfit(service, bulk_from=2), list(expected))
    assert answers.conclusions() == expected
    assert answers.calls == 1


def told(asked_for: Asked, value: str) -> str:
    """Return the conclusion about `value`, or why there is none."""
    found = asked_for.found[value]
    undecided = found.conclusion is Conclusion.UNDECIDED
    return found.reasons[0].code.value if undecided else found.conclusion.value


@pytest.mark.parametrize("mode", sorted(set(SINGLY) - BIG))
async def test_each_fault_has_its_one_outcome(
    mode: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    async def harmed(service: Service) -> None:
        patience: dict[str, float] = {"timeout_s": SHORT_S} if mode in SLOW else {}
        value, provider = GOOD[service.NAME], outfit(service, bulk_from=2, **patience)
        second = SECOND.get(service.NAME)
        several = [[value]] if second is None else [[value], [value, second]]
        truths = [await asked(provider, values) for values in several]
        for mount in MOUNTS[service.NAME]:
            await sandbox.fault(mount, mode, delay_ms=SHORT_S * 500)
        for values, truth in zip(several, truths, strict=True):
            answers = await asked(provider, values, SHORT_S if mode in SLOW else 5.0)
            outcome = (SINGLY if len(values) == 1 else IN_BULK)[mode]
            if len(values) > 1 or not mode.startswith("items_"):
                outcome = EXCEPTIONS.get((service.NAME, mode), outcome)
            if outcome == AS_EVER:
                assert answers.found == truth.found, (service.NAME, values)
            else:
                assert told(answers, value) == outcome, (service.NAME, values)
                for one in values:
                    told_of = {told(truth, one), outcome}
                    assert told(answers, one) in told_of, (service.NAME, one)

    await asyncio.gather(*(harmed(service) for service in SERVICES))


@pytest.mark.parametrize("mode", sorted(mode for mode in MODES if mode.startswith("status_")))
async def test_no_status_makes_a_good_value_anything_but_undecided(
    mode: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    async def harmed(service: Service) -> None:
        value, provider = GOOD[service.NAME], outfit(service, bulk_from=2)
        for mount in MOUNTS[service.NAME]:
            await sandbox.fault(mount, mode)
        second = SECOND.get(service.NAME)
        for values in [[value]] if second is None else [[value], [value, second]]:
            answers = await asked(provider, values, 5.0)
            own = (service.NAME, mode) in OWN_ANSWERS
            assert answers.found[value].conclusion is Conclusion.UNDECIDED or own, service.NAME

    await asyncio.gather(*(harmed(service) for service in SERVICES))


@pytest.mark.parametrize("mode", sorted(BIG))
async def test_an_answer_without_end_is_cut_off(
    mode: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """In bulk too, where answers may be longer."""
    await sandbox.fault("postcodes-io", mode)
    values = [GOOD["postcodes_io"], SECOND["postcodes_io"]]
    for some in (values[:1], values):
        answers = await asked(outfit(postcodes_io), some)
        assert {code for value in some for code in answers.codes(value)} == {SINGLY[mode]}


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:9", "http://nowhere.invalid", "https://{sandbox}"],
    ids=["connection", "DNS", "TLS"],
)
async def test_who_cannot_be_reached_is_unavailable_singly_and_in_bulk(
    base_url: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    where = base_url.format(sandbox=sandbox.http.removeprefix("http://"))
    values = [GOOD["postcodes_io"], SECOND["postcodes_io"]]
    for some in (values[:1], values):
        provider = outfit(postcodes_io, name=f"{len(some)}", base_url=where, bulk_base_url=where)
        answers = await asked(provider, some)
        assert {code for value in some for code in answers.codes(value)} == {UNAVAILABLE}
    assert await sandbox.log("postcodes-io") == []


FAULTS = [
    (vies, "MS_UNAVAILABLE", "SOURCE_UNAVAILABLE"),
    (hmrc, "INVALID_SCOPE", "PROVIDER_REFUSED"),
    (hmrc, "token_refused", "PROVIDER_REFUSED"),
    (hmrc, "status_403", "PROVIDER_REFUSED"),
    (hmrc, "status_429", "RATE_LIMITED"),
    (gleif, "status_429", "RATE_LIMITED"),
    (gleif, "status_400", "REJECTED_BY_PROVIDER"),
    (gleif, "html_503", "PROVIDER_UNAVAILABLE"),
    (companies_house, "status_401", "PROVIDER_REFUSED"),
    (companies_house, "status_429", "RATE_LIMITED"),
    (companies_house, "status_503", "PROVIDER_UNAVAILABLE"),
    (zerobounce, "no_credit", "OUT_OF_CREDIT"),
    (zerobounce, "status_403", "PROVIDER_REFUSED"),
    (zerobounce, "status_429", "RATE_LIMITED"),
    (zerobounce, "status_524", "PROVIDER_UNAVAILABLE"),
    (zerobounce, "status_400", "REJECTED_BY_PROVIDER"),
    (twilio_lookup, "status_401", "PROVIDER_REFUSED"),
    (twilio_lookup, "status_429", "RATE_LIMITED"),
    (twilio_lookup, "status_400", "REJECTED_BY_PROVIDER"),
    (dns_over_https, "servfail", "SOURCE_UNAVAILABLE"),
    (dns_over_https, "refused", "SOURCE_UNAVAILABLE"),
    (dns_over_https, "nxdomain", "SOURCE_UNAVAILABLE"),
    (dns_over_https, "truncated", "PROVIDER_PROTOCOL"),
    (dns_over_https, "status_429", "RATE_LIMITED"),
    (dns_over_https, "status_400", "REJECTED_BY_PROVIDER"),
    (dns_over_https, "status_404", "PROVIDER_PROTOCOL"),
    (dns_over_https, "html_503", "PROVIDER_UNAVAILABLE"),
    (google_address, "API_KEY_INVALID", "PROVIDER_REFUSED"),
    (google_address, "INVALID_ARGUMENT", "NOT_COVERED"),
    (google_address, "PERMISSION_DENIED", "PROVIDER_REFUSED"),
    (google_address, "RESOURCE_EXHAUSTED", "RATE_LIMITED"),
    (google_address, "INTERNAL", "PROVIDER_UNAVAILABLE"),
    (google_address, "UNAVAILABLE", "PROVIDER_UNAVAILABLE"),
    (google_address, "html_503", "PROVIDER_UNAVAILABLE"),
    (google_address, "html_200", "PROVIDER_PROTOCOL"),
    (postcodes_io, "status_429", "RATE_LIMITED"),
    (postcodes_io, "html_200", "PROVIDER_PROTOCOL"),
    (postcodes_io, "redirect", "PROVIDER_PROTOCOL"),
    (postcodes_io, "hang", "PROVIDER_UNAVAILABLE"),
    (postcodes_io, "reset_mid_body", "PROVIDER_UNAVAILABLE"),
]


@pytest.mark.parametrize("service, mode, code", FAULTS, ids=lambda one: getattr(one, "NAME", one))
async def test_a_fault_is_told_by_its_reason(
    service: Service, mode: str, code: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault(MOUNTS[service.NAME][0], mode)
    value = GOOD[service.NAME]
    answers = await asked(outfit(service), [value], 0.5)
    assert answers.codes(value) == [code]


AWKWARD = "p+1&=%/?#' \"\nñ日"


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
async def test_a_value_arrives_exactly_as_meant(
    service: Service, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """Nothing that a path, a query or JSON holds dear changes a value on its way."""
    prefix = {"hmrc": "GB", "vies": "DE"}.get(service.NAME, "")
    await asked(outfit(service), [canonical(service, prefix + AWKWARD)])
    told = prefix + AWKWARD if service is vies else AWKWARD
    first, *rest = await sandbox.values_asked(MOUNTS[service.NAME][0])
    assert first == told
    assert len(rest) == (service in {gleif, twilio_lookup})  # a first 404 is asked about again


@pytest.mark.parametrize("service", [gleif, zerobounce, postcodes_io], ids=by_name)
async def test_values_in_bulk_arrive_exactly_as_meant(
    service: Service, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    values = [AWKWARD, "a@b.example"]
    await asked(outfit(service, bulk_from=2), [canonical(service, value) for value in values])
    log = await sandbox.log(MOUNTS[service.NAME][-1])
    assert log[0]["values"] == values


@pytest.mark.parametrize("service", SERVICES, ids=by_name)
async def test_a_wrong_address_refutes_nothing(service: Service, outfit: Outfit) -> None:
    """Twilio and GLEIF say "not found" of a path that there is not as they say it of a value."""
    values = [value for value in (GOOD, MISSING) if (service.NAME in value)]
    provider = outfit(service, bulk_from=1000)
    astray = f"{provider.terms.base_url}/nowhere"
    wrong = outfit(service, bulk_from=1000, base_url=astray, bulk_base_url=astray)
    for named in values:
        answers = await asked(wrong, [named[service.NAME]])
        assert answers.conclusions() == {named[service.NAME]: "UNDECIDED"}


@pytest.mark.parametrize("name", MISSING)
async def test_the_first_not_found_is_believed_where_the_address_is_right(
    name: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """It takes one more call at the most, and that once."""
    service = next(service for service in SERVICES if name == service.NAME)
    await sandbox.limit(MOUNTS[name][0])
    provider = outfit(service)
    first = await asked(provider, [MISSING[name]])
    again = await asked(provider, [MISSING[name]])
    assert first.conclusions() == again.conclusions() == {MISSING[name]: "REFUTED"}
    assert first.calls == (2 if name in {"hmrc", "gleif", "twilio_lookup"} else 1)
    assert again.calls == 1
