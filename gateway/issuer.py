"""The issuer whose tokens let callers in, where one is configured."""

import asyncio
from typing import TYPE_CHECKING

from gateway.settings import ConfigurationError, Settings
from providers.errors import ProviderError
from providers.transport import Transport

if TYPE_CHECKING:
    from access.tokens import Tokens

FETCH_S = 5.0
KEYS_BYTES_MAX = 1 << 18


def tokens_of(settings: Settings, transport: Transport) -> "Tokens | None":
    """Return what verifies the tokens of the configured issuer; None where there is none.

    Raises:
        ConfigurationError: of what must be known of an issuer only a part is.
    """
    access = settings.access
    if access.jwt_issuer is None and access.jwt_audience is None and access.jwt_keys_url is None:
        return None
    if access.jwt_issuer is None or access.jwt_audience is None or access.jwt_keys_url is None:
        raise ConfigurationError(
            "access: jwt_issuer, jwt_audience and jwt_keys_url go together: give all three, or none"
        )
    # here, because it needs cryptography: 6 MB that most have no use for
    from access.tokens import Issuer, Tokens  # noqa: PLC0415

    url = str(access.jwt_keys_url)

    async def fetch() -> bytes:
        try:
            async with (
                asyncio.timeout(FETCH_S),
                transport.flow("GET", url, {}, answer_s=FETCH_S, idle_s=FETCH_S) as flow,
            ):
                if flow.status != 200:  # noqa: PLR2004 - OK, of HTTP
                    raise OSError(f"status {flow.status}")
                body = b""
                async for part in flow.parts():
                    body += part
                    if len(body) > KEYS_BYTES_MAX:
                        raise OSError("too long")
                return body
        except ProviderError as error:
            raise OSError(type(error).__name__) from None

    issuer = Issuer(
        access.jwt_issuer, access.jwt_audience, access.jwt_tenant_claim, access.jwt_scope_claim
    )
    return Tokens(issuer, fetch)
