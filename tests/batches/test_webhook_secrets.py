"""What signs webhooks, and what is refused as a secret."""

from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from batches.settings import WebhookSettings
from batches.webhooks import Signer, signer_of
from tests.batches.hooked import OLDER, SECRET


def test_both_secrets_sign_while_one_takes_the_place_of_the_other() -> None:
    now = datetime.now(UTC)
    headers = dict(Signer(SECRET, [OLDER]).headers("id", b"{}", now))
    for secret in (SECRET, OLDER):
        assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "b3RoZXJz" * 5).verify(b"{}", headers)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 100, "c2VjcmV0" * 5, "whsec_%%%"]
)
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        WebhookSettings.model_validate({"secret": secret})
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        WebhookSettings.model_validate({"secrets_old": secret})


def test_good_secrets_are_taken_and_not_shown() -> None:
    settings = WebhookSettings.model_validate({"secret": SECRET, "secrets_old": OLDER})
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)


def test_without_a_secret_nobody_signs() -> None:
    assert signer_of(WebhookSettings()) is None
