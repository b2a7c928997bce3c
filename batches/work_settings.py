"""What an operator may say of work on batches: the table `[batches]`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class WorkSettings(BaseModel):
    """How a process works on batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: int = Field(
        default=8, ge=1, le=256, description="Chunks that one process works on at once."
    )
    lease_s: float = Field(
        default=8.0,
        ge=1.0,
        le=600.0,
        description="Seconds without a word after which another process takes a chunk over.",
    )
    broker: str | None = Field(
        default=None,
        pattern=r"^[\w.]+:\w+$",
        description="Another taskiq broker, as `module:Class`; else streams in Redis carry hints.",
    )
    broker_options: Mapping[str, Any] | None = Field(
        default=None, description="What that class is given, by keyword."
    )
