"""How Google's verdict on an address is read, by hand-driven conversations."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from providers.exchange import Call
from providers.services import google_address
from tests.providers import conversation as told
from tests.providers.conversation import Example, Json, answer, converse
from tests.providers.test_services import concluded, read
from verdicts.evidence import AddressDeliverability
from verdicts.outcome import Conclusion, Found


def test_google_confirms_an_address() -> None:
    (found,) = read(told.ADDRESS)
    formatted = "1600 Amphitheatre Pkwy, Mountain View, CA 94043, USA"
    evidence = AddressDeliverability(
        formatted, "PREMISE", complete=True, corrected=False, business=True, residential=False
    )
    assert found == Found(Conclusion.CONFIRMED, evidence=evidence)
    (call,), _ = converse(google_address, told.ADDRESS.values, answer(told.ADDRESS.body))
    assert call == Call(
        "POST",
        "/v1:validateAddress",
        query=(("key", "key"),),
        json={
            "address": {
                "regionCode": "US",
                "locality": "MOUNTAIN VIEW",
                "administrativeArea": "CA",
                "postalCode": "94043",
                "addressLines": ["1600 AMPHITHEATRE PKWY"],
            },
            "enableUspsCass": False,
        },
        safe=False,
    )


def test_google_is_sent_each_line_of_an_address() -> None:
    value = "FLAT 1\n2 ROAD\nDUBLIN\n\n\nIE"
    body = json.dumps(told.address()).replace('"US"', '"IE"').encode()
    (call,), _ = converse(google_address, [value], answer(body))
    sent = cast("dict[str, dict[str, object]]", call.json)["address"]
    assert sent["addressLines"] == ["FLAT 1", "2 ROAD"]
    assert (sent["locality"], sent["administrativeArea"], sent["postalCode"]) == ("DUBLIN", "", "")


PART = told.address_part
SURE, PLAUSIBLE = PART("route"), PART("street_number", "UNCONFIRMED_BUT_PLAUSIBLE")
SUSPICIOUS = PART("street_number", "UNCONFIRMED_AND_SUSPICIOUS")
PUT_IN, AFTER = PART("postal_code", inferred=True), PART("postal_code_suffix", inferred=True)
UNSURE, CORRECTED = "ADDRESS_UNCONFIRMED", "ADDRESS_CORRECTED"
ADDRESSES: list[tuple[Sequence[Json], Mapping[str, object], str, list[str]]] = [
    ([SURE], {"validationGranularity": "SUB_PREMISE"}, "CONFIRMED", []),
    ([SURE, AFTER], {"hasInferredComponents": True}, "CONFIRMED", []),
    ([SURE, PUT_IN], {"hasInferredComponents": True}, "DOUBTFUL", [CORRECTED]),
    ([SURE], {"hasReplacedComponents": True}, "DOUBTFUL", [CORRECTED]),
    ([SURE], {"possibleNextAction": "CONFIRM"}, "DOUBTFUL", [UNSURE]),
    ([SURE], {"possibleNextAction": "CONFIRM_ADD_SUBPREMISES"}, "DOUBTFUL", ["MISSING_PART"]),
    ([SURE], {"addressComplete": False}, "DOUBTFUL", ["MISSING_PART"]),
    ([SURE], {"hasUnconfirmedComponents": True}, "DOUBTFUL", [UNSURE]),
    ([SURE, PLAUSIBLE], {}, "DOUBTFUL", [UNSURE]),
    ([SURE, SUSPICIOUS], {}, "DOUBTFUL", [UNSURE]),
    ([SURE, SUSPICIOUS], {"possibleNextAction": "FIX"}, "REFUTED", ["ADDRESS_NOT_FOUND"]),
    ([SURE, SUSPICIOUS], {"validationGranularity": "OTHER"}, "REFUTED", ["ADDRESS_NOT_FOUND"]),
    ([SURE], {"possibleNextAction": "FIX"}, "DOUBTFUL", [UNSURE]),
    *(
        ([SURE, PLAUSIBLE], {"validationGranularity": word}, "DOUBTFUL", [UNSURE])
        for word in ("PREMISE_PROXIMITY", "BLOCK", "ROUTE", "OTHER")
    ),
    *(
        ([SURE], {"validationGranularity": word}, "DOUBTFUL", [UNSURE])
        for word in ("PREMISE_PROXIMITY", "BLOCK", "ROUTE", "OTHER")
    ),
]


@pytest.mark.parametrize("parts, verdict, conclusion, reasons", ADDRESSES)
def test_google_refutes_only_what_looks_wrong_and_confirms_only_what_is_plain(
    parts: Sequence[Json], verdict: Mapping[str, object], conclusion: str, reasons: list[str]
) -> None:
    body = told.address(*parts, **verdict)
    (found,) = read(Example(google_address, (told.ADDRESS_ASKED,), body))
    assert concluded(found) == (conclusion, reasons)


def test_google_may_leave_out_what_is_false() -> None:
    whole = told.address()
    verdict = {"validationGranularity": "PREMISE", "possibleNextAction": "ACCEPT"}
    body = json.loads(json.dumps(whole))
    body["result"]["verdict"] = {**verdict, "addressComplete": True}
    assert (
        concluded(read(Example(google_address, (told.ADDRESS_ASKED,), body))[0])[0] == "CONFIRMED"
    )
    body["result"]["verdict"] = verdict
    assert concluded(read(Example(google_address, (told.ADDRESS_ASKED,), body))[0])[0] == "DOUBTFUL"
