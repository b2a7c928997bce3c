"""Google Address Validation: is there such a place, and does mail find its way there.

Address Validation API 1, https://developers.google.com/maps/documentation/address-validation.
6,000 calls a minute; each costs, so one that may have been answered is not sent again.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.json import Decoder

from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange
from verdicts.evidence import AddressDeliverability
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NAME = "google_address"
KIND = "address"
CHECK = "deliverability"
SECRETS = ("api_key",)
DEFAULTS = Defaults(
    base_url="https://addressvalidation.googleapis.com",
    sandbox_path="/google-address",
    rates=("6000/m",),
)

_REFUSED = Fault(ReasonCode.PROVIDER_REFUSED)
FAULTS: Mapping[str, Fault] = {
    "API_KEY_INVALID": _REFUSED,  # the detail of an INVALID_ARGUMENT that is about the key
    "INVALID_ARGUMENT": Fault(ReasonCode.NOT_COVERED, retryable=False),
    "PERMISSION_DENIED": _REFUSED,
    "RESOURCE_EXHAUSTED": Fault(ReasonCode.RATE_LIMITED, again=True),
    "INTERNAL": Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True, charged=True),
    "UNAVAILABLE": Fault(ReasonCode.PROVIDER_UNAVAILABLE, again=True),  # it did no work
}
STATUSES: Mapping[int, Fault] = {
    400: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    **dict.fromkeys((401, 403), _REFUSED),
    429: FAULTS["RESOURCE_EXHAUSTED"],
    503: FAULTS["UNAVAILABLE"],
    **dict.fromkeys((500, 502, 504), FAULTS["INTERNAL"]),
}

Granularity = Literal["SUB_PREMISE", "PREMISE", "PREMISE_PROXIMITY", "BLOCK", "ROUTE", "OTHER"]
Action = Literal["ACCEPT", "CONFIRM_ADD_SUBPREMISES", "CONFIRM", "FIX"]
Level = Literal["CONFIRMED", "UNCONFIRMED_BUT_PLAUSIBLE", "UNCONFIRMED_AND_SUSPICIOUS"]
OF_WEIGHT = frozenset({"subpremise", "street_number", "route", "locality", "postal_code"})


class _Verdict(Struct, rename="camel"):
    validation_granularity: Granularity
    possible_next_action: Action
    address_complete: bool = False  # it leaves out what is false
    has_unconfirmed_components: bool = False
    has_replaced_components: bool = False


class _Component(Struct, rename="camel"):
    component_type: str
    confirmation_level: Level
    inferred: bool = False


class _Address(Struct, rename="camel"):
    postal_address: dict[str, object]
    address_components: Annotated[list[_Component], Meta(min_length=1)]
    formatted_address: str | None = None
    missing_component_types: tuple[str, ...] = ()
    unconfirmed_component_types: tuple[str, ...] = ()


class _Result(Struct):
    verdict: _Verdict
    address: _Address
    metadata: dict[str, bool] = field(default_factory=dict[str, bool])


class _Error(Struct):
    status: str = ""
    details: tuple[dict[str, object], ...] = ()


class _Reply(Struct):
    result: _Result | None = None
    error: _Error = field(default_factory=_Error)


_REPLY = Decoder(_Reply)


def serves(_value: str) -> bool:
    """Return that any address may be asked about: Google says which countries it covers."""
    return True


def ask(values: Sequence[str], account: Account) -> Exchange:
    """Ask for the one address in `values`: its lines, then four parts (see `checks/address.py`)."""
    (value,) = values
    *lines, locality, area, postal_code, country = value.split("\n")
    parts = {"locality": locality, "administrativeArea": area, "postalCode": postal_code}
    address = {"regionCode": country, **parts, "addressLines": lines}  # proto3: empty is unset
    body, key = {"address": address, "enableUspsCass": False}, account.secret("api_key")
    answer = yield Call("POST", "/v1:validateAddress", (("key", key),), json=body, safe=False)
    answer.only(1, "verdict", "validationGranularity", "possibleNextAction", "addressComplete")
    result = answer.read(_REPLY).result
    if result is None or result.address.postal_address.get("regionCode") != country:
        raise ProtocolBroken("the answer is not about an address of the country that was asked")
    return {value: _found(result.verdict, result.address, result.metadata)}


def fault_of(answer: Answer) -> Fault | None:
    """Return what is wrong with `answer`: by a detail, by its word, or else by the status."""
    if answer.status == HTTPStatus.OK:
        return None
    try:
        error = answer.read(_REPLY).error
    except ProtocolBroken:  # a proxy's page
        error = _Error()
    said = (*(detail.get("reason") for detail in error.details), error.status)
    told = (fault for word, fault in FAULTS.items() if word in said)
    return next(told, STATUSES.get(answer.status, UNKNOWN))


def _found(verdict: _Verdict, address: _Address, told: Mapping[str, bool]) -> Found:
    granularity, action = verdict.validation_granularity, verdict.possible_next_action
    levels = {part.confirmation_level for part in address.address_components}
    inferred = {part.component_type for part in address.address_components if part.inferred}
    corrected = verdict.has_replaced_components or bool(inferred & OF_WEIGHT)
    evidence = AddressDeliverability(
        *(address.formatted_address, granularity, verdict.address_complete, corrected),
        *(address.missing_component_types, address.unconfirmed_component_types),
        *(told.get("business"), told.get("residential")),
    )
    if "UNCONFIRMED_AND_SUSPICIOUS" in levels and (granularity == "OTHER" or action == "FIX"):
        return Found(Conclusion.REFUTED, (because(ReasonCode.ADDRESS_NOT_FOUND, CHECK),), evidence)
    unconfirmed = verdict.has_unconfirmed_components or levels != {"CONFIRMED"}
    unsure = granularity not in {"SUB_PREMISE", "PREMISE"} or action in {"CONFIRM", "FIX"}
    doubts = {
        ReasonCode.MISSING_PART: not verdict.address_complete
        or action == "CONFIRM_ADD_SUBPREMISES",
        ReasonCode.ADDRESS_CORRECTED: corrected,
        ReasonCode.ADDRESS_UNCONFIRMED: unconfirmed or unsure,
    }
    codes = [code for code, holds in doubts.items() if holds]
    conclusion = Conclusion.DOUBTFUL if codes else Conclusion.CONFIRMED
    return Found(conclusion, tuple(because(code, CHECK) for code in codes), evidence)
