"""What an operator may say of a provider: one table `[providers.NAME]` each."""

import json
from decimal import Decimal
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    WithJsonSchema,
)

from providers.rates import Rate, rate_of


def _rate(value: object) -> object:
    return rate_of(value) if isinstance(value, str) else value


def listed(value: object) -> object:
    """Return a list that an environment variable writes: JSON, or its parts with commas between."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


RateSetting = Annotated[
    Rate,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "description": "Calls in a window: `10/s`, `600/5m`."}),
]
RatesSetting = Annotated[tuple[RateSetting, ...], BeforeValidator(listed)]


class ProviderSettings(BaseModel):
    """One provider. What is left out is as the service's own documentation says."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    service: str | None = Field(
        default=None, description="Which service it speaks; its own name if left out."
    )
    base_url: HttpUrl | None = Field(default=None, description="Where the service is.")
    bulk_base_url: HttpUrl | None = Field(
        default=None, description="Where its bulk calls go, if elsewhere."
    )
    api_key: SecretStr | None = Field(
        default=None, description="The key, or the user part of basic auth."
    )
    api_secret: SecretStr | None = Field(
        default=None, description="The password part of basic auth."
    )
    client_id: SecretStr | None = Field(default=None, description="OAuth2 client id.")
    client_secret: SecretStr | None = Field(default=None, description="OAuth2 client secret.")
    requester: str | None = Field(
        default=None,
        description="Our own VAT number, for registers that then give a consultation number.",
    )
    rates: RatesSetting | None = Field(
        default=None,
        description=(
            "Limits of the account, all together: `10/s`, `600/5m`, `100000/d`; `5000/day` and"
            " `100000/month` by the calendar (UTC), `200/s burst 5` for a bucket."
        ),
    )
    bulk_rates: RatesSetting | None = Field(
        default=None, description="Limits of the bulk calls, where the service counts them apart."
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=1000, description="Calls in flight at most, over all processes."
    )
    batch_horizon_ms: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="How far ahead batches may reserve; what is interactive waits no longer.",
    )
    timeout: float | None = Field(default=None, gt=0, le=300, description="Seconds for one call.")
    attempts: int = Field(default=3, ge=1, le=8, description="Times that one call is sent at most.")
    bulk: int | None = Field(default=None, ge=1, le=1000, description="Values in one call at most.")
    bulk_bytes: int | None = Field(
        default=None, ge=100, le=1_000_000, description="Bytes of values in one call at most."
    )
    bulk_from: int | None = Field(
        default=None, ge=2, description="From how many values on bulk is used."
    )
    price: Decimal | None = Field(default=None, ge=0, description="What one answered value costs.")
