"""Settings: who overrides whom, and mistakes named by file, key and line."""

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.settings import ConfigurationError, Settings, load_settings

CONFIG = """
[gateway]
port = 9000
nameservers = ["192.0.2.53"]

[redis]
url = "redis://config:6379/0"

[checks.email.mailbox]
providers = ["zerobounce"]
ttl = { confirmed = 60 }

[providers.zerobounce]
rates = ["10/s", "600/5m"]
price = "0.008"
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "assay.toml") -> Path:
    path = Path(name)
    path.write_text(text, "utf-8")
    return path


def refused(text: str) -> list[str]:
    """Return the lines of the message that the configuration `text` gets."""
    with pytest.raises(ConfigurationError) as error:
        load_settings(written(text))
    return str(error.value).splitlines()


def test_without_any_configuration_there_are_defaults() -> None:
    settings = load_settings()
    assert settings.model_dump() == Settings().model_dump()
    assert (settings.gateway.host, settings.gateway.sandbox) == ("127.0.0.1", False)
    assert settings.redis.url is None


def test_the_file_here_is_read_and_one_that_is_named_instead_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written(CONFIG)
    assert load_settings().gateway.port == 9000
    other = written("[gateway]\nport = 9001", "other.toml")
    assert load_settings(other).gateway.port == 9001
    monkeypatch.setenv("ASSAY_CONFIG", "other.toml")
    assert load_settings().gateway.port == 9001
    assert load_settings(Path("assay.toml")).gateway.port == 9000


def test_the_environment_goes_over_the_file_and_arguments_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = written(CONFIG)
    monkeypatch.setenv("ASSAY_GATEWAY__PORT", "9100")
    monkeypatch.setenv("ASSAY_PROVIDERS__ZEROBOUNCE__API_KEY", "hush")
    monkeypatch.setenv("ASSAY_CHECKS__EMAIL__MAILBOX__TTL__REFUTED", "7")
    settings = load_settings(path)
    assert settings.gateway.port == 9100
    assert settings.gateway.nameservers == ("192.0.2.53",)
    zerobounce = settings.providers["zerobounce"]
    assert zerobounce.api_key is not None
    assert zerobounce.api_key.get_secret_value() == "hush"
    assert zerobounce.price == Decimal("0.008")
    assert [(rate.limit, rate.period_s) for rate in zerobounce.rates or ()] == [(10, 1), (600, 300)]
    ttl = settings.checks["email"]["mailbox"].ttl
    assert ttl is not None
    assert (ttl.confirmed, ttl.refuted) == (60, 7)
    assert load_settings(path, {"gateway": {"port": 9200}}).gateway.port == 9200


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_PROVIDERS__ZEROBOUNCE__API_KEY", "geheim")
    monkeypatch.setenv("ASSAY_CACHE__HASH_KEY", "geheimgeheimgeheim")
    settings = load_settings()
    assert "geheim" not in repr(settings)
    assert "geheim" not in settings.model_dump_json()


@pytest.mark.parametrize(
    "text, line, key, words",
    [
        ("[gateway]\n\nport = 'many'", 3, "gateway.port", "integer"),
        ("[gateway]\nport = 70000", 2, "gateway.port", "65535"),
        ("[gateway]\nprot = 1", 2, "gateway.prot", "no such setting"),
        ("[nothing]\na = 1", 1, "nothing", "no such setting"),
        ("[gateway]\n[nothing.at.all]\na = 1", 2, "nothing", "no such setting"),
        ("gateway.port = -1", 1, "gateway.port", "greater than or equal to 0"),
        ("[redis]\ntimeout_ms = 1", 2, "redis.timeout_ms", "10"),
        ("[cache]\nhash_key = 'short'", 2, "cache.hash_key", "16"),
        ("[cache.ttl]\nundecided = 400", 2, "cache.ttl.undecided", "300"),
        ("[providers.x]\n# c\nbase_url = 'x'", 3, "providers.x.base_url", "URL"),
        ("[providers.x]\nrates = ['10 a second']", 2, "providers.x.rates", "10/s, 600/5m"),
        ("[providers.x]\nattempts = 0", 2, "providers.x.attempts", "greater than or equal to 1"),
        ("[checks.email.mailbox]\nprovider = []", 2, "checks.email.mailbox.provider", "no such"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(
    text: str, line: int, key: str, words: str
) -> None:
    (message,) = refused(text)
    assert message.startswith(f"assay.toml, line {line}: {key}")
    assert words in message


def test_all_mistakes_are_told_at_once() -> None:
    assert len(refused("[gateway]\nport = 'x'\nprot = 1\n[redis]\ntimeout_ms = 0")) == 3


def test_a_mistake_in_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_GATEWAY__PORT", "geheim")
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert str(error.value).startswith("environment variable ASSAY_GATEWAY__PORT: ")
    assert "geheim" not in str(error.value)


def test_a_file_that_is_none_is_told() -> None:
    assert "not TOML" in refused("[gateway\nport = 1")[0]
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: no such file"):
        load_settings(Path("nowhere.toml"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[gateway]\nhost = '\xe9'"])
def test_a_file_that_is_not_utf_8_is_told(content: bytes) -> None:
    Path("assay.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"assay\.toml.*UTF-8"):
        load_settings()


@pytest.mark.parametrize("value", ["{", "x", '{"port": }'])
def test_a_section_in_the_environment_that_is_not_json_is_told(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_GATEWAY", value)
    with pytest.raises(ConfigurationError, match="ASSAY_GATEWAY"):
        load_settings()
