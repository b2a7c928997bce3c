"""Every setting can come from the environment, and a secret from a file of its own."""

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.settings import ConfigurationError, load_settings


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no configuration of the machine take part."""
    monkeypatch.chdir(tmp_path)
    for name in ("ASSAY_CONFIG", "ASSAY_SECRETS_DIR", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("written", ["192.0.2.53,192.0.2.54", '["192.0.2.53", "192.0.2.54"]'])
def test_lists_are_written_with_commas_or_as_json(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_GATEWAY__NAMESERVERS", written)
    monkeypatch.setenv("ASSAY_PROVIDERS__GLEIF__RATES", "10/s, 600/5m")
    settings = load_settings()
    assert settings.gateway.nameservers == ("192.0.2.53", "192.0.2.54")
    assert [rate.text for rate in settings.providers["gleif"].rates or ()] == ["10/s", "600/5m"]


def test_the_environment_spells_kinds_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment variables know no capital letters; the file's table and theirs are one."""
    (tmp_path / "assay.toml").write_text(
        "[checks.vatNumber.registry]\nproviders = ['vies']\nttl = { confirmed = 60 }\n"
    )
    monkeypatch.setenv("ASSAY_CHECKS__VATNUMBER__REGISTRY__PROVIDERS", "hmrc,vies")
    monkeypatch.setenv("ASSAY_KINDS__VATNUMBER__CHECKS", "registry")
    settings = load_settings()
    registry = settings.checks["vatNumber"]["registry"]
    assert registry.providers == ("hmrc", "vies")
    assert registry.ttl is not None
    assert registry.ttl.confirmed == 60
    assert settings.kinds["vatNumber"].checks == ("registry",)


def test_a_secret_stands_in_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "ASSAY_PROVIDERS__ZEROBOUNCE__API_KEY").write_text("a secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    monkeypatch.setenv("ASSAY_PROVIDERS__ZEROBOUNCE__PRICE", "0.008")
    zerobounce = load_settings().providers["zerobounce"]
    assert zerobounce.api_key is not None
    assert zerobounce.api_key.get_secret_value() == "a secret"
    assert zerobounce.price == Decimal("0.008")
    assert "a secret" not in repr(zerobounce)


@pytest.mark.parametrize(
    "name, written, said",
    [
        ("ASSAY_KINDS", "no table", "ASSAY_KINDS"),
        ("ASSAY_PROVIDERS__GLEIF__RATES", "sixty a minute", "ASSAY_PROVIDERS__GLEIF__RATES"),
        ("ASSAY_SECRETS_DIR", "/does/not/exist", "/does/not/exist"),
        ("ASSAY_GATEWAY__PORT", "http", "ASSAY_GATEWAY__PORT"),
    ],
)
def test_a_mistake_names_the_variable(
    name: str, written: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, written)
    with pytest.raises(ConfigurationError, match=said):
        load_settings()
