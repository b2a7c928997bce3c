"""Why a check concluded what it did: one code, one meaning."""

from datetime import datetime
from enum import Enum

from msgspec import Struct


class ReasonCode(Enum):
    """Every reason that Assay gives. `MEANING` documents each, for people and for the schema."""

    EMPTY = "EMPTY"
    TOO_LONG = "TOO_LONG"
    FORBIDDEN_CHARACTER = "FORBIDDEN_CHARACTER"
    MALFORMED = "MALFORMED"
    WRONG_LENGTH = "WRONG_LENGTH"
    WRONG_CHECK_DIGIT = "WRONG_CHECK_DIGIT"
    UNKNOWN_COUNTRY = "UNKNOWN_COUNTRY"
    MISSING_PART = "MISSING_PART"
    UNASSIGNED_NUMBER = "UNASSIGNED_NUMBER"
    DISPOSABLE_DOMAIN = "DISPOSABLE_DOMAIN"
    ROLE_ACCOUNT = "ROLE_ACCOUNT"
    DOMAIN_NOT_FOUND = "DOMAIN_NOT_FOUND"
    NO_MAIL_HOST = "NO_MAIL_HOST"
    MAILBOX_NOT_FOUND = "MAILBOX_NOT_FOUND"
    MAILBOX_FULL = "MAILBOX_FULL"
    MAILBOX_UNREACHABLE = "MAILBOX_UNREACHABLE"
    CATCH_ALL = "CATCH_ALL"
    SPAM_TRAP = "SPAM_TRAP"
    ABUSE_RISK = "ABUSE_RISK"
    DO_NOT_MAIL = "DO_NOT_MAIL"
    POSSIBLE_TYPO = "POSSIBLE_TYPO"
    LINE_TYPE_MISSING = "LINE_TYPE_MISSING"
    ADDRESS_NOT_FOUND = "ADDRESS_NOT_FOUND"
    ADDRESS_UNCONFIRMED = "ADDRESS_UNCONFIRMED"
    ADDRESS_CORRECTED = "ADDRESS_CORRECTED"
    NOT_REGISTERED = "NOT_REGISTERED"
    TERMINATED = "TERMINATED"
    DISSOLVED = "DISSOLVED"
    IN_INSOLVENCY = "IN_INSOLVENCY"
    STRIKE_OFF_PROPOSED = "STRIKE_OFF_PROPOSED"
    REGISTRATION_LAPSED = "REGISTRATION_LAPSED"
    REGISTRATION_PENDING = "REGISTRATION_PENDING"
    REGISTRATION_ENDED = "REGISTRATION_ENDED"
    ENTITY_INACTIVE = "ENTITY_INACTIVE"
    NOT_COVERED = "NOT_COVERED"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    DEADLINE = "DEADLINE"
    RATE_LIMITED = "RATE_LIMITED"
    LIMITS_UNAVAILABLE = "LIMITS_UNAVAILABLE"
    STOPPING = "STOPPING"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_PROTOCOL = "PROVIDER_PROTOCOL"
    PROVIDER_REFUSED = "PROVIDER_REFUSED"
    OUT_OF_CREDIT = "OUT_OF_CREDIT"
    REJECTED_BY_PROVIDER = "REJECTED_BY_PROVIDER"
    PROVIDERS_DISAGREE = "PROVIDERS_DISAGREE"
    GIVEN_UP = "GIVEN_UP"


MEANING: dict[ReasonCode, str] = {
    ReasonCode.EMPTY: "The value is empty or holds only white space.",
    ReasonCode.TOO_LONG: "The value is longer than its kind allows.",
    ReasonCode.FORBIDDEN_CHARACTER: "The value holds a character that its kind never has.",
    ReasonCode.MALFORMED: "The value does not have the form of its kind.",
    ReasonCode.WRONG_LENGTH: "The value has too few or too many characters for its kind.",
    ReasonCode.WRONG_CHECK_DIGIT: "The check digits do not fit the rest: often a typing error.",
    ReasonCode.UNKNOWN_COUNTRY: "The country or region code is missing, or is not a known one.",
    ReasonCode.MISSING_PART: "A part that this check needs was not given.",
    ReasonCode.UNASSIGNED_NUMBER: "No number of this range has been handed out in its country.",
    ReasonCode.DISPOSABLE_DOMAIN: "The domain belongs to a service for throw-away addresses.",
    ReasonCode.ROLE_ACCOUNT: "The address names a function (info, sales, …) and not a person.",
    ReasonCode.DOMAIN_NOT_FOUND: "The domain does not exist in the DNS.",
    ReasonCode.NO_MAIL_HOST: "The domain exists but says, or shows, that it takes no mail.",
    ReasonCode.MAILBOX_NOT_FOUND: "The mail host says that it has no such mailbox.",
    ReasonCode.MAILBOX_FULL: "The mailbox exists but is over its quota, and takes no mail.",
    ReasonCode.MAILBOX_UNREACHABLE: "The mail host could not be asked; it may answer later.",
    ReasonCode.CATCH_ALL: "The mail host accepts every address, so the mailbox is not proven.",
    ReasonCode.SPAM_TRAP: "The address is known as a trap for senders of unasked mail.",
    ReasonCode.ABUSE_RISK: "The owner is known to report mail as abuse.",
    ReasonCode.DO_NOT_MAIL: "The address takes mail but mailing it is not advised.",
    ReasonCode.POSSIBLE_TYPO: "The address looks like a mistyped one; see the suggestion.",
    ReasonCode.LINE_TYPE_MISSING: "The number is real but the sort of line could not be learnt.",
    ReasonCode.ADDRESS_NOT_FOUND: "No such place was found, and a part of the address is suspect.",
    ReasonCode.ADDRESS_UNCONFIRMED: "The place, or a part of the address, was not confirmed.",
    ReasonCode.ADDRESS_CORRECTED: "A part that decides where mail goes was put in or changed.",
    ReasonCode.NOT_REGISTERED: "The register has no such entry.",
    ReasonCode.TERMINATED: "It existed once and has ended.",
    ReasonCode.DISSOLVED: "The company is dissolved, closed or removed from the register.",
    ReasonCode.IN_INSOLVENCY: "The company is in liquidation, administration or the like.",
    ReasonCode.STRIKE_OFF_PROPOSED: "The company is about to be struck off the register.",
    ReasonCode.REGISTRATION_LAPSED: "The registration was not renewed in time.",
    ReasonCode.REGISTRATION_PENDING: "The registration is being transferred or archived.",
    ReasonCode.REGISTRATION_ENDED: "The registration was retired, merged, annulled or cancelled.",
    ReasonCode.ENTITY_INACTIVE: "The registered entity no longer exists.",
    ReasonCode.NOT_COVERED: "No configured provider answers for this country or sort of value.",
    ReasonCode.NOT_CONFIGURED: "The provider of this check has no credentials configured.",
    ReasonCode.DEADLINE: "The answer did not come before the request's deadline; ask again soon.",
    ReasonCode.RATE_LIMITED: "The provider's limit leaves no room before the deadline.",
    ReasonCode.LIMITS_UNAVAILABLE: "The shared limits cannot be reached, so nothing was sent.",
    ReasonCode.STOPPING: "Assay was being stopped, so nothing was sent; ask again.",
    ReasonCode.QUOTA_EXHAUSTED: "The account's quota with the provider is used up for now.",
    ReasonCode.SOURCE_UNAVAILABLE: "The register behind the provider is down or overloaded.",
    ReasonCode.PROVIDER_UNAVAILABLE: "The provider is down, cannot be reached or is too slow.",
    ReasonCode.PROVIDER_PROTOCOL: "The provider answered what its contract does not know.",
    ReasonCode.PROVIDER_REFUSED: "The provider refused our credentials or blocked the account.",
    ReasonCode.OUT_OF_CREDIT: "The account with the provider has no credit left.",
    ReasonCode.REJECTED_BY_PROVIDER: "The provider refused the value's form, which we think right.",
    ReasonCode.PROVIDERS_DISAGREE: "The providers of this check differ; see `Outcome.voices`.",
    ReasonCode.GIVEN_UP: "Work on this part of the batch failed again and again; retry it.",
}
assert set(MEANING) == set(ReasonCode), "every reason code has its one meaning"


class Reason(Struct, frozen=True, gc=False, omit_defaults=True):
    """One reason of one check.

    `message` is for people, `code` for programs; `retryable` says that asking again later may
    give another answer. `parts` are those parts of the value that it is about, as the schema's
    input spells them, where it is not about the whole. `retry_at` is from when on asking again may
    give another answer, where a retryable reason has a time that is known.
    """

    code: ReasonCode
    check: str
    message: str
    retryable: bool = False
    parts: tuple[str, ...] = ()
    retry_at: datetime | None = None


def because(
    code: ReasonCode,
    check: str,
    *,
    retryable: bool = False,
    parts: tuple[str, ...] = (),
    retry_at: datetime | None = None,
) -> Reason:
    """Return the reason `code` of `check`, its message being the code's documented meaning."""
    return Reason(code, check, MEANING[code], retryable, parts, retry_at)
