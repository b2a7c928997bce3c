"""What an answer that is not about the value means: by declared conditions, else by its status."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus

from msgspec import Struct
from msgspec.structs import replace

from providers.declared.expression import Expression, document_of
from providers.errors import UNKNOWN, Fault, ProtocolBroken
from providers.exchange import Answer
from verdicts.reason import ReasonCode

FAULTS: Mapping[ReasonCode, Fault] = {
    ReasonCode.RATE_LIMITED: Fault(ReasonCode.RATE_LIMITED, again=True),
    ReasonCode.QUOTA_EXHAUSTED: Fault(ReasonCode.QUOTA_EXHAUSTED),
    ReasonCode.SOURCE_UNAVAILABLE: Fault(ReasonCode.SOURCE_UNAVAILABLE, again=True, charged=True),
    ReasonCode.PROVIDER_UNAVAILABLE: Fault(
        ReasonCode.PROVIDER_UNAVAILABLE, again=True, charged=True
    ),
    ReasonCode.PROVIDER_PROTOCOL: UNKNOWN,
    ReasonCode.PROVIDER_REFUSED: Fault(ReasonCode.PROVIDER_REFUSED),
    ReasonCode.OUT_OF_CREDIT: Fault(ReasonCode.OUT_OF_CREDIT),
    ReasonCode.REJECTED_BY_PROVIDER: Fault(ReasonCode.REJECTED_BY_PROVIDER, retryable=False),
    ReasonCode.NOT_COVERED: Fault(ReasonCode.NOT_COVERED, retryable=False),
}
"""The reasons that are about us and the service, never about a value: all that an error can be."""

STATUSES: Mapping[int, ReasonCode] = {
    HTTPStatus.UNAUTHORIZED: ReasonCode.PROVIDER_REFUSED,
    HTTPStatus.PAYMENT_REQUIRED: ReasonCode.OUT_OF_CREDIT,
    HTTPStatus.FORBIDDEN: ReasonCode.PROVIDER_REFUSED,
    HTTPStatus.REQUEST_TIMEOUT: ReasonCode.PROVIDER_UNAVAILABLE,
    HTTPStatus.TOO_MANY_REQUESTS: ReasonCode.RATE_LIMITED,
    **dict.fromkeys((500, 502, 503, 504), ReasonCode.PROVIDER_UNAVAILABLE),
}
"""Where no condition says otherwise. Any other status is one that the declaration does not know."""


class ErrorRule(Struct, frozen=True):
    """One declared condition: of these statuses (any, if empty), where `when` holds (if given)."""

    statuses: tuple[int, ...]
    when: Expression | None
    fault: Fault

    def applies(self, answer: Answer, documents: Sequence[object]) -> bool:
        """Return whether `answer` is this error; `documents` has its JSON, if it is any."""
        if self.statuses and answer.status not in self.statuses:
            return False
        return self.when is None or any(map(self.when.holds, documents))


class Errors(Struct, frozen=True):
    """All of them, in their order. `heard` are the statuses whose answers can be about a value."""

    rules: Sequence[ErrorRule]
    heard: frozenset[int]

    def fault_of(self, answer: Answer) -> Fault | None:
        """Return what is wrong with `answer`, None when it may be about the value."""
        rule = self.rule_of(answer)
        if rule is not None:
            return rule.fault
        if answer.status in self.heard:
            return None
        code = STATUSES.get(answer.status)
        return FAULTS[code] if code is not None else UNKNOWN

    def rule_of(self, answer: Answer) -> ErrorRule | None:
        """Return the first rule that applies to `answer`, None when none does."""
        documents: list[object] = []
        if any(rule.when is not None for rule in self.rules):
            with suppress(ProtocolBroken):  # a proxy's page: what its status says still holds
                documents.append(document_of(answer))
        return next((rule for rule in self.rules if rule.applies(answer, documents)), None)


def fault_for(
    code: ReasonCode, *, again: bool | None, charged: bool | None, pause_s: float | None
) -> Fault:
    """Return the fault of `code`; what is given beside it goes over what is usual."""
    usual = FAULTS[code]
    return replace(
        usual,
        again=usual.again if again is None else again,
        charged=usual.charged if charged is None else charged,
        pause_s=pause_s,
    )
