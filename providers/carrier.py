"""Drives one exchange: sends its calls, hands it the answers, brings home what it found."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from providers.errors import ProtocolBroken
from providers.exchange import Account, Answer, Call, Service
from verdicts.outcome import Found

CALLS_PER_EXCHANGE_MAX = 4

Send = Callable[[Call], Awaitable[Answer]]


async def carry(
    service: Service, values: Sequence[str], account: Account, send: Send
) -> Mapping[str, Found]:
    """Return what the exchange of `service` found about each of `values`.

    Raises:
        ProviderError: a call failed for good, or the exchange did not keep its contract.
    """
    exchange = service.ask(values, account)
    try:
        call = next(exchange)
        for _ in range(CALLS_PER_EXCHANGE_MAX):
            answer = await send(call)
            call = exchange.send(answer)
    except StopIteration as end:
        found: Mapping[str, Found] = end.value
        if not found.keys() <= set(values):
            raise ProtocolBroken("the answer is about values that were not asked") from None
        return found
    finally:
        exchange.close()
    raise ProtocolBroken(f"the exchange wanted more than {CALLS_PER_EXCHANGE_MAX} calls")
