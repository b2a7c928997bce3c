"""What an operator may say of batches: where they are kept, how long, how they come and go."""

import base64
from collections.abc import Mapping

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
)

from batches.chunk import RECORDS_MAX, RECORDS_MIN, RECORDS_USUAL
from batches.work_settings import WorkSettings
from cache.encryption import SealingKeys, keys_of


class StoreSettings(BaseModel):
    """Where batches are kept, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        default=None,
        description=(
            "`sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST/NAME` for several machines;"
            " without it `batches.db` in the data directory."
        ),
    )
    connections: int = Field(
        default=5, ge=2, le=100, description="Connections of one process to PostgreSQL at most."
    )
    encryption_key: SealingKeys | None = Field(
        default=None,
        description=(
            "32 bytes as base64 (`openssl rand -base64 32`); what is given and found is then"
            " sealed, with a key of its own for each batch."
        ),
    )
    encryption_keys_old: SealingKeys | None = Field(
        default=None,
        description="Earlier `encryption_key`s, with commas between; batches move to the new one.",
    )

    @property
    def key(self) -> bytes | None:
        """The master key that seals what is new, None when nothing is sealed."""
        return next(iter(keys_of(self.encryption_key)), None)

    @property
    def older_keys(self) -> list[bytes]:
        """Master keys that older batches are sealed with."""
        return keys_of(self.encryption_keys_old)


class TenantRetention(BaseModel):
    """How long the batches of one tenant are kept; what is left out is as for all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    given_days: float | None = Field(default=None, gt=0, le=3650)
    results_days: float | None = Field(default=None, gt=0, le=3650)


class RetentionSettings(BaseModel):
    """How long batches are kept once they have ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    given_days: float = Field(
        default=7,
        gt=0,
        le=3650,
        description="Days for which what the client gave is kept: its own columns, its records.",
    )
    results_days: float = Field(
        default=30,
        gt=0,
        le=3650,
        description=(
            "Days after which a batch is deleted as a whole; also one that is a draft, capped or"
            " paused, and that nothing happens to."
        ),
    )
    tenants: Mapping[str, TenantRetention] = Field(
        default_factory=dict[str, TenantRetention],
        description=(
            "`given_days` and `results_days` of single tenants, by name:"
            " `acme = {given_days = 1, results_days = 7}`."
        ),
    )


class BatchesSettings(RetentionSettings, WorkSettings):
    """How batches are taken in and worked on, and how long they are kept once they have ended."""

    chunk_records: int = Field(
        default=RECORDS_USUAL,
        ge=RECORDS_MIN,
        le=RECORDS_MAX,
        description="Records of one chunk, the unit of work.",
    )


class WebhookSettings(BaseModel):
    """How the receivers of webhooks know that it is us. Without `secret` no webhook is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: SecretStr | None = Field(
        default=None,
        description="`whsec_` and 24 to 64 bytes as base64, which receivers know, too.",
    )
    secrets_old: SecretStr | None = Field(
        default=None,
        description="Earlier `secret`s, with commas between: all sign until receivers have moved.",
    )
    local: bool = Field(
        default=False,
        description="Whether receivers may be on this machine, without TLS: for trying out.",
    )

    @field_validator("secret", "secrets_old")
    @classmethod
    def _are_secrets(cls, given: SecretStr | None) -> SecretStr | None:
        if not all(map(_is_webhook_secret, _texts(given))):
            raise ValueError("give whsec_ and 24 to 64 bytes as base64")
        return given

    @property
    def older(self) -> list[str]:
        """The secrets that were valid before."""
        return _texts(self.secrets_old)


WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - how every one begins
WEBHOOK_SECRET_BYTES = range(24, 65)


def _texts(secrets: SecretStr | None) -> list[str]:
    if secrets is None:
        return []
    return [text.strip() for text in secrets.get_secret_value().split(",")]


def _is_webhook_secret(text: str) -> bool:
    encoded = text.removeprefix(WEBHOOK_SECRET_PREFIX)
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return False
    return text.startswith(WEBHOOK_SECRET_PREFIX) and len(secret) in WEBHOOK_SECRET_BYTES


class UploadSettings(BaseModel):
    """What files may be sent to `/batches`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes_max: int = Field(
        default=20_000_000_000, ge=1, description="Bytes of a file at most, unpacked."
    )
    records_max: int = Field(
        default=20_000_000, ge=1, description="Records that a file may have at most."
    )
    at_once_max: int = Field(
        default=8, ge=1, le=1000, description="Files that one process takes in at once."
    )
