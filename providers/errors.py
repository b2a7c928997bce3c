"""What can go wrong on the way out, drawn as a tree.

ProviderError
├── Unreachable      nothing was sent: name, connection or TLS failed
├── TimedOut         no whole answer in time
├── Broken           the connection ended in mid-answer
├── ProtocolBroken   an answer that the service's contract does not know
├── Faulted          an answer that says no: throttled, refused, out of credit, down, …
└── NoPermit         the account's limits leave no room before the deadline

None of them says anything about a value: each becomes UNDECIDED with a reason.
"""

from msgspec import Struct

from verdicts.reason import ReasonCode


class Fault(Struct, frozen=True):
    """What a service means by an answer that is not about the value.

    `again`: the same call may be sent again before the deadline. `retryable`: a client that asks
    later may get an answer. `charged`: the call may have cost something all the same. `pause_s`:
    everybody leaves the account alone for so many seconds, unless the answer itself says how long.
    """

    code: ReasonCode
    again: bool = False
    retryable: bool = True
    charged: bool = False
    pause_s: float | None = None


UNKNOWN = Fault(ReasonCode.PROVIDER_PROTOCOL)  # what the service's contract does not list


class ProviderError(Exception):
    """Base of the tree. `sent` is False when the call surely did not reach the service."""

    code = ReasonCode.PROVIDER_UNAVAILABLE
    retryable = True
    again = True
    sent = True


class Unreachable(ProviderError):
    """The service's name, port or certificate could not be used."""

    sent = False


class TimedOut(ProviderError):
    """The service did not answer in time."""


class Broken(ProviderError):
    """The connection ended before the answer did."""


class ProtocolBroken(ProviderError):
    """The answer is not what the contract tells."""

    code = ReasonCode.PROVIDER_PROTOCOL
    again = False


class Faulted(ProviderError):
    """The service answered that it will not answer."""

    def __init__(self, fault: Fault, status: int) -> None:
        """Carry what `fault` says; `status` is the HTTP status that it came with."""
        super().__init__(f"{fault.code.value} (HTTP {status})")
        self.code = fault.code
        self.retryable = fault.retryable
        self.again = fault.again
        self.sent = fault.charged


class NoPermit(ProviderError):
    """No permit before the deadline; nothing was sent."""

    again = False
    sent = False

    def __init__(self, code: ReasonCode, retry_after_s: float | None = None) -> None:
        """Say why (`code`) and, where known, in how many seconds there is room again."""
        super().__init__(code.value)
        self.code = code
        self.retry_after_s = retry_after_s
