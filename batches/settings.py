"""What an operator may say of batches: the tables `[store]` and `[batches]`."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from batches.chunk import RECORDS_MAX, RECORDS_MIN, RECORDS_USUAL
from batches.keys import key_of


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
    encryption_key: SecretStr | None = Field(
        default=None,
        description=(
            "32 bytes as base64 (`openssl rand -base64 32`); what is given and found is then"
            " sealed, with a key of its own for each batch."
        ),
    )
    encryption_keys_old: SecretStr | None = Field(
        default=None,
        description="Earlier `encryption_key`s, with commas between; batches move to the new one.",
    )

    @model_validator(mode="after")
    def _are_keys(self) -> Self:
        """Refuse at the start what is no key."""
        if self.keys and self.encryption_key is None:
            raise ValueError("encryption_keys_old needs an encryption_key to move batches to")
        return self

    @property
    def keys(self) -> list[bytes]:
        """The master keys, the present one first."""
        texts = [
            text.strip()
            for secret in (self.encryption_key, self.encryption_keys_old)
            if secret is not None
            for text in secret.get_secret_value().split(",")
        ]
        return [key_of(text) for text in texts if text]


class BatchesSettings(BaseModel):
    """How batches are taken in, and how long they are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_records: int = Field(
        default=RECORDS_USUAL,
        ge=RECORDS_MIN,
        le=RECORDS_MAX,
        description="Records of one chunk, the unit of work.",
    )
    given_days: float = Field(
        default=7.0,
        ge=0,
        le=36_500,
        description="Days after its end that what was given of a batch is kept.",
    )
    results_days: float = Field(
        default=30.0,
        ge=0,
        le=36_500,
        description="Days after its end that a batch is kept; of a draft, after its last change.",
    )
