"""What an operator may say of the store of batches: the table `[store]`."""

from collections.abc import Mapping
from typing import Annotated, Any

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


class WorkSettings(BaseModel):
    """How a process works on batches: the table `[batches]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: int = Field(
        default=8, ge=1, le=256, description="Chunks that one process works on at once."
    )
    lease_s: float = Field(
        default=10.0,
        ge=1.0,
        le=600.0,
        description="Seconds without a word after which another process takes a chunk over.",
    )
    broker: str | None = Field(
        default=None,
        pattern=r"[\w.]+:\w+",
        description="Another taskiq broker, as `module:Class`; else streams in Redis carry hints.",
    )
    broker_options: Mapping[str, Any] = Field(
        default_factory=dict[str, Any], description="What that class is given, by keyword."
    )
