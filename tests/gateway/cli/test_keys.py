"""`assay keys`, and what a start without keys says."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from access.secret import id_in
from tests.gateway.cli.program import assay, environment, serving


def create(cwd: Path, *options: str) -> str:
    done = assay("keys", "create", "--name", "shop", *options, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def listed(cwd: Path, *options: str) -> list[dict[str, object]]:
    done = assay("keys", "list", "--json", *options, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_life_of_a_key(tmp_path: Path) -> None:
    assert "There is no key" in assay("keys", "list", cwd=tmp_path).stderr
    options = ("--scope", "validate", "--scope", "batch:read", "--tenant", "acme")
    text = create(tmp_path, *options, "--network", "203.0.113.0/24", "--records-per-day", "1000")
    id_ = id_in(text)
    assert id_ is not None
    (key,) = listed(tmp_path)
    assert (key["id"], key["tenant"], key["state"]) == (id_, "acme", "live")
    assert (key["scopes"], key["recordsPerDay"]) == (["validate", "batch:read"], 1000)
    assert key["networks"] == ["203.0.113.0/24"]
    assert listed(tmp_path, "--tenant", "other") == []

    rotated = assay("keys", "rotate", id_, "--overlap", "PT1H", cwd=tmp_path)
    assert id_in(rotated.stdout.strip()) == id_
    assert rotated.stdout.strip() != text
    assert "is good until" in rotated.stderr

    assert "is revoked" in assay("keys", "revoke", id_, cwd=tmp_path).stderr
    again = assay("keys", "rotate", id_, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (1, "")
    assert "is revoked, for good" in again.stderr
    table = assay("keys", "list", cwd=tmp_path).stdout
    assert "revoked" in table
    assert text.rpartition("_")[2][:20] not in table

    log = json.loads(assay("keys", "log", "--json", cwd=tmp_path).stdout)
    assert [one["act"] for one in log] == ["KEY_REVOKED", "KEY_ROTATED", "KEY_CREATED"]
    assert all(one["actor"].startswith("local") and one["target"] == id_ for one in log)
    assert "KEY_REVOKED" in assay("keys", "log", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "options, told",
    [
        (("--scope", "everything"), "there is no scope 'everything': there are validate"),
        (("--scope", "admin", "--expires", "soon"), "--expires 'soon'"),
        (("--scope", "admin", "--network", "the office"), "'the office' is no network"),
        (("--scope", "admin", "--rate", "-1"), "Give more than 0"),
        (("--scope", "admin", "--records-per-day", "-1"), "Give 0 to"),
        (("--scope", "admin", "--cost-per-day", "much"), "--cost-per-day 'much'"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    done = assay("keys", "create", "--name", "shop", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = assay("keys", "revoke", "nobodys", cwd=tmp_path)
    assert done.returncode == 1
    assert "There is no key 'nobodys': the list of keys has their ids." in done.stderr


def test_nobody_listens_to_the_world_without_a_key(tmp_path: Path) -> None:
    done = assay("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no key to keep them out" in done.stderr
    assert "assay keys create" in done.stderr


def status_of(url: str, key: str | None) -> int:
    headers = {"Content-Type": "application/json"}
    headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, b'{"query": "{ kinds { name } }"}', headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - of this test's own server
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_with_a_key_it_does_and_lets_others_not_in(tmp_path: Path) -> None:
    scopes = ("--scope", "validate", "--scope", "batch:read")
    key = create(tmp_path, *scopes, "--data-dir", str(tmp_path))
    with serving(tmp_path, "--host", "0.0.0.0") as running:
        assert (status_of(running.url, None), status_of(running.url, key)) == (401, 200)
        told = assay("batch", "list", "--url", running.url, cwd=tmp_path)
        assert "A key is needed here" in told.stderr
        shown = environment(ASSAY_API_KEY=key)
        done = assay("batch", "list", "--url", running.url, cwd=tmp_path, env=shown)
        assert done.returncode == 0, done.stderr


def test_who_has_a_guard_in_front_may_say_so(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0", ASSAY_ACCESS__OPEN="true") as running:
        assert status_of(running.url, None) == 200
        assert "open to everybody without a key, as access.open says" in running.said
