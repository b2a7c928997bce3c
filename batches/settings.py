"""What an operator may say of the store of batches: the table `[store]`."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from providers.settings import listed


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
        description="32 bytes as base64; what is given and found is then sealed, batch by batch.",
    )
    encryption_keys_old: Annotated[tuple[SecretStr, ...], BeforeValidator(listed)] = Field(
        default=(), description="Keys that were `encryption_key` before, to read older batches."
    )
