import base64
import gzip
import hashlib

import pytest

from console.page import assets, content_security_policy, graphiql_page

NONCE = "n0nce-n0nce-n0nce-n0nce"


def test_every_file_is_what_its_name_and_its_integrity_say() -> None:
    for path, asset in assets().items():
        content = asset.file.read_bytes()
        assert hashlib.sha256(content).hexdigest()[:12] in path
        assert (
            asset.integrity
            == "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
        )
        assert gzip.decompress(asset.gzipped.read_bytes()) == content


def test_page_loads_exactly_the_files_that_are_served() -> None:
    page = graphiql_page(NONCE)
    assert all(page.count(f'"{path}"') == 1 for path in assets())
    assert page.count("/assets/") == len(assets())


def test_page_holds_the_nonce_of_its_response_and_no_open_place() -> None:
    page = graphiql_page(NONCE)
    assert page.count("<script") == page.count(f'<script nonce="{NONCE}"')
    assert "@@" not in page
    assert f"'nonce-{NONCE}'" in content_security_policy(NONCE)
    assert NONCE not in graphiql_page("another-nonce-of-good-length")


@pytest.mark.parametrize("nonce", ["", "short", 'x" onload="alert(1)xxxxxxx', "a" * 200])
def test_a_nonce_that_could_leave_its_place_is_refused(nonce: str) -> None:
    with pytest.raises(ValueError, match="nonce"):
        graphiql_page(nonce)
