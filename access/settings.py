"""What an operator may say of who is let in."""

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

from access.secret import PEPPER_BYTES_MIN


class AccessSettings(BaseModel):
    """`[access]`: who is let in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open: bool = Field(
        default=False,
        description=(
            "Let in whoever shows no key, wherever from: for what has a guard of its own in front."
        ),
    )
    pepper: SecretStr | None = Field(
        default=None,
        min_length=PEPPER_BYTES_MIN,
        description=(
            "Secret in the digests of keys, the same for all who share the store; without it"
            " `cache.hash_key` is."
        ),
    )
    audit_days: float = Field(
        default=365, gt=0, le=36_500, description="Days for which the audit log is kept."
    )
    jwt_issuer: str | None = Field(
        default=None,
        description="Who else lets callers in, by tokens (JWT) whose `iss` this is; else nobody.",
    )
    jwt_audience: str | None = Field(
        default=None, description="For whom these tokens have to be: one of their `aud`."
    )
    jwt_keys_url: HttpUrl | None = Field(
        default=None, description="Where their issuer shows its public keys (JWKS, RFC 7517)."
    )
    jwt_tenant_claim: str = Field(default="tenant", description="The claim that names the tenant.")
    jwt_scope_claim: str = Field(
        default="scope", description="The claim with the scopes: a text with spaces, or a list."
    )
