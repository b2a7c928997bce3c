"""Every setting: `assay.toml`, over it files with one secret each, the environment over both.

`ASSAY_SECTION__KEY` overrides the key of a section (`ASSAY_REDIS__URL`,
`ASSAY_PROVIDERS__ZEROBOUNCE__API_KEY`); a file of that name in the directory that
`ASSAY_SECRETS_DIR` or systemd's `CREDENTIALS_DIRECTORY` names does the same. Lists are written with
commas, or as JSON.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from access.settings import AccessSettings
from batches.settings import BatchesSettings, StoreSettings, UploadSettings, WebhookSettings
from cache.encryption import OutcomeSeal, SealingKeys, keys_of
from cache.freshness import FreshnessSettings
from cache.keys import SECRET_BYTES_MIN
from checks.declared import LENGTH_MAX, Case
from checks.kinds import KINDS
from gateway.mistakes import PREFIX, explain
from providers.declared.settings import ProviderTable
from providers.panel import Strategy
from providers.settings import ProviderSettings, listed
from questions.desk import STOP_S
from resolvers.validate import DEADLINE_MS_MAX

CONFIG_FILE = "assay.toml"
_UNREAD_SECTION = re.compile(r'parsing value for field "(\w+)"')
SECRETS_DIRS = ("ASSAY_SECRETS_DIR", "CREDENTIALS_DIRECTORY")
SECRETS_BYTES_MAX = 1 << 16
STOP_S_MAX = 120
"""With it a stop stays within TimeoutStopSec of deploy/assay.service, whatever is configured."""

Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
AnyProvider = Annotated[ProviderSettings, ProviderTable]
_KIND_NAMES = {module.KIND.name.lower(): module.KIND.name for module in KINDS}


class ConfigurationError(Exception):
    """The configuration can't be used; the message names file, key, line and what is expected."""


class Section(BaseModel):
    """A table of the configuration: frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GatewaySettings(Section):
    """`[gateway]`: the server and what a request may ask."""

    host: str = Field(default="127.0.0.1", description="Address that `assay serve` listens on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port that `assay serve` listens on."
    )
    hosts: Words = Field(
        default=(),
        description="Names under which Assay answers, beside `localhost` and addresses; `*`: any.",
    )
    origins: Words = Field(
        default=(),
        description="Sites whose pages may ask, and read the answers: `https://app.example.com`.",
    )
    compress: bool = Field(
        default=True, description="Pack answers (zstd, br, gzip) for those who take that."
    )
    data_dir: Path = Field(default=Path("data"), description="Where Assay keeps its own files.")
    sandbox: bool = Field(
        default=False, description="Let stand-ins answer for providers without credentials."
    )
    sandbox_url: HttpUrl | None = Field(
        default=None, description="Where a sandbox already runs; without it one is started."
    )
    sandbox_dns: str | None = Field(
        default=None, description="The nameserver of that sandbox, as `host:port`."
    )
    deadline_ms: int = Field(
        default=10_000,
        ge=1,
        le=DEADLINE_MS_MAX,
        description="Deadline of a request that names none.",
    )
    stop_s: float = Field(
        default=STOP_S,
        ge=0,
        le=STOP_S_MAX,
        description="Seconds that a stop hears out calls that may be charged; other calls have 5.",
    )
    records_max: int = Field(
        default=1000, ge=1, le=10_000, description="Records in one request at most."
    )
    calls_max: int = Field(
        default=10_000, ge=1, description="Calls to providers that one request may take at most."
    )
    body_bytes_max: int = Field(
        default=8 << 20, ge=1024, description="Bytes in the body of a request at most."
    )
    currency: str = Field(default="EUR", pattern=r"[A-Z]{3}", description="Currency of all prices.")
    nameservers: Words = Field(
        default=(),
        description="Nameservers for e-mail domains (`host` or `host:port`); else the system's.",
    )
    log_level: str = Field(
        default="INFO",
        pattern="DEBUG|INFO|WARNING|ERROR",
        description="Least level that is logged.",
    )


class RedisSettings(Section):
    """`[redis]`: the Valkey or Redis that all processes share."""

    url: str | None = Field(
        default=None,
        description="`redis://`, `rediss://` or `unix://`; without it a private Valkey runs.",
    )
    cache_url: str | None = Field(
        default=None,
        description="A second server for outcomes, which may evict; else the first holds them.",
    )
    timeout_ms: int = Field(
        default=50,
        ge=10,
        le=10_000,
        description="Patience with one command, in milliseconds; then what can be done without is.",
    )


class CacheSettings(Section):
    """`[cache]`: how long outcomes are kept, and under which names."""

    hash_key: SecretStr | None = Field(
        default=None,
        min_length=SECRET_BYTES_MIN,
        description="Key of the hashes under which outcomes are kept; the same on every machine.",
    )
    ttl: FreshnessSettings = Field(
        default_factory=FreshnessSettings, description="Seconds by conclusion, for every check."
    )
    isolated: bool = Field(
        default=False,
        description="Share no outcome between tenants: each asks, and pays, for itself.",
    )
    encryption_key: SealingKeys | None = Field(
        default=None,
        description="32 bytes as base64 (`openssl rand -base64 32`): outcomes are then sealed.",
    )
    encryption_keys_old: SealingKeys | None = Field(
        default=None,
        description="Earlier `encryption_key`s, with commas between: they still open.",
    )

    @property
    def seal(self) -> OutcomeSeal | None:
        """What seals outcomes, None when nothing does."""
        present = keys_of(self.encryption_key)
        return OutcomeSeal(present[0], keys_of(self.encryption_keys_old)) if present else None


class CheckSettings(Section):
    """`[checks.KIND.NAME]`: who answers a check, and for how long its outcomes are kept."""

    providers: Words | None = Field(default=None, description="Providers, the first one first.")
    strategy: Strategy = Field(
        default=Strategy.FAILOVER,
        description="`failover`: the next answers what one cannot; `quorum`: two must agree.",
    )
    ttl: FreshnessSettings | None = Field(
        default=None, description="Seconds by conclusion, for this check."
    )


class KindSettings(Section):
    """`[kinds.NAME]`: the policy of a kind, and what a kind of your own is.

    A kind that is built in has `checks` alone. Any other is declared here: it needs a
    `description`, and a `pattern` or a `stdnum` module.
    """

    checks: Words | None = Field(
        default=None, description="The checks of its policy; local ones always run."
    )
    description: str | None = Field(default=None, description="What a kind of your own is.")
    meaning: str | None = Field(default=None, description="What VALID promises of it.")
    strip: str = Field(default="", description="Characters that go, wherever they stand.")
    case: Case = Field(default="keep", description="The case of its letters: upper, lower, keep.")
    pattern: re.Pattern[str] | None = Field(
        default=None,
        description="What the rest must be as a whole; its named groups are parts of the value.",
    )
    stdnum: str | None = Field(
        default=None, description="A module of python-stdnum that checks it: `isin`, `de.idnr`."
    )
    length_max: int = Field(default=LENGTH_MAX, ge=1, le=1000, description="Characters at most.")

    @property
    def declares(self) -> frozenset[str]:
        """The keys that only a kind of one's own has, as far as they are given."""
        return frozenset(self.model_fields_set - {"checks"})


class DnsSettings(Section):
    """`[dns]`: how e-mail domains are looked up."""

    timeout: float = Field(default=3.0, gt=0, le=30, description="Seconds for one query.")
    concurrency: int = Field(default=64, ge=1, le=1000, description="Queries in flight at most.")


class DocumentsSettings(Section):
    """`[documents]`: documents that clients name instead of sending them."""

    folder: Path | None = Field(
        default=None,
        description="Trusted documents: `*.graphql` files, named by the SHA-256 of their text.",
    )
    only: bool = Field(default=False, description="Run trusted documents, and nothing else.")
    automatic: bool = Field(
        default=False, description="Take Apollo's automatic persisted queries, too."
    )


class Settings(BaseSettings):
    """All sections together."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )
    toml_file: ClassVar[Path | None] = None

    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    documents: DocumentsSettings = Field(default_factory=DocumentsSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    cache: CacheSettings = Field(default_factory=CacheSettings)
    dns: DnsSettings = Field(default_factory=DnsSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    batches: BatchesSettings = Field(default_factory=BatchesSettings)
    uploads: UploadSettings = Field(default_factory=UploadSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    kinds: Mapping[str, KindSettings] = Field(default_factory=dict[str, KindSettings])
    checks: Mapping[str, Mapping[str, CheckSettings]] = Field(
        default_factory=dict[str, Mapping[str, CheckSettings]]
    )
    providers: Mapping[str, AnyProvider] = Field(default_factory=dict[str, ProviderSettings])

    @property
    def named_providers(self) -> frozenset[str]:
        """The providers that a `[checks.KIND.NAME]` names."""
        tables = (check for checks in self.checks.values() for check in checks.values())
        return frozenset(name for check in tables for name in check.providers or ())

    @model_validator(mode="before")
    @classmethod
    def _name_kinds(cls, sections: dict[str, Any]) -> dict[str, Any]:
        """Spell the kinds as they are spelled: the environment knows no capital letters."""
        spelled = dict(_KIND_NAMES)
        for section in ("kinds", "checks"):
            if isinstance(tables := sections.get(section), dict):
                named: dict[str, Any] = {}
                for name, table in sorted(cast("dict[str, Any]", tables).items()):
                    kind = spelled.setdefault(name.lower(), name)  # capitals sort first
                    named[kind] = _merged(named[kind], table) if kind in named else table
                sections = {**sections, section: named}
        return sections

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say who overrides whom: arguments, the environment, secrets in files, the file."""
        del dotenv_settings
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        directory = next((path for name in SECRETS_DIRS if (path := os.environ.get(name))), None)
        if directory is not None:
            files = NestedSecretsSettingsSource(
                file_secret_settings,
                secrets_dir=directory,
                secrets_dir_missing="error",
                secrets_dir_max_size=SECRETS_BYTES_MAX,
                secrets_nested_delimiter="__",
            )
            sources = (*sources, files)
        if cls.toml_file is None:
            return sources
        return (*sources, TomlConfigSettingsSource(settings_cls, cls.toml_file))


def load_settings(
    config: Path | None = None, overrides: Mapping[str, Mapping[str, object]] | None = None
) -> Settings:
    """Return the settings of the file `config`, the environment over it, `overrides` over both.

    Without `config` the file named by `ASSAY_CONFIG`, or `assay.toml` here if there is one.

    Raises:
        ConfigurationError: the file is missing, is not TOML, or a setting is wrong.
    """
    named = config or (Path(os.environ["ASSAY_CONFIG"]) if os.environ.get("ASSAY_CONFIG") else None)
    path = named or Path(CONFIG_FILE)
    if named is not None and not path.is_file():
        raise ConfigurationError(f"{path}: no such file; give the path of your assay.toml")
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: not UTF-8, at byte {error.start}; save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    bound = type("BoundSettings", (Settings,), {"toml_file": path if text else None})
    try:
        return bound(**cast("dict[str, Any]", overrides or {}))
    except ValidationError as error:
        raise ConfigurationError(explain(error, Settings, path, text)) from None
    except SettingsError as error:  # a section as JSON that is none, a directory that is missing
        section = _UNREAD_SECTION.search(str(error))
        if section is None:
            raise ConfigurationError(f"environment: {error}") from None
        variable = PREFIX + section[1].upper()
        raise ConfigurationError(
            f"environment variable {variable}: not a JSON object; set one variable for each key"
            f" instead, {variable}__KEY"
        ) from None


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables in one, `over` prevailing, tables in them likewise."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], cast("Mapping[str, Any]", value)) if both else value
    return merged
