"""Documents that clients name instead of sending them."""

from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from gateway.asked import Refusal
from gateway.registered import Registered, trusted_in
from gateway.settings import ConfigurationError
from tests.promises.guarded import JSON, guarded

KINDS, NAMES = "{ kinds { name } }", "query Names { kinds { name description } }\n"


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, object]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}


def refusal(registered: Registered, **members: object) -> tuple[int, str]:
    with pytest.raises(Refusal) as told:
        registered.asked(members)
    return told.value.status, told.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "kinds.graphql").write_text(KINDS)
    (tmp_path / "shop" / "names.graphql").write_text(NAMES)
    (tmp_path / "notes.txt").write_text("{ providers { name } }")
    return tmp_path


def test_a_trusted_document_is_named_by_its_hash(folder: Path) -> None:
    registered = Registered(trusted_in(folder))
    for text in (KINDS, NAMES):
        for id_ in (f"sha256:{hash_of(text)}", hash_of(text)):
            asked = registered.asked({"documentId": id_, "variables": {"a": 1}})
            assert (asked.query, asked.variables) == (text, {"a": 1})
    assert registered.asked({"query": "{ other }"}).query == "{ other }"
    wrong = f"sha256:{hash_of('{ providers { name } }')}"
    assert refusal(registered, documentId=wrong) == (404, "DOCUMENT_NOT_FOUND")
    assert refusal(registered, documentId=7) == (400, "BAD_REQUEST")
    assert refusal(registered) == (400, "BAD_REQUEST")


def test_where_only_trusted_ones_are_run_nothing_else_is(folder: Path) -> None:
    registered = Registered(trusted_in(folder), only=True, automatic=True)
    assert registered.asked({"documentId": hash_of(KINDS)}).query == KINDS
    assert registered.asked({"query": KINDS}).query == KINDS
    assert registered.asked({"extensions": persisted(NAMES)}).query == NAMES
    for other in ("{ providers { name } }", KINDS + " "):
        assert refusal(registered, query=other) == (403, "DOCUMENT_NOT_TRUSTED")
        told = refusal(registered, query=other, extensions=persisted(other))
        assert told == (403, "DOCUMENT_NOT_TRUSTED")


def test_an_automatic_one_is_sent_once() -> None:
    registered = Registered({}, automatic=True)
    not_found = (200, "PERSISTED_QUERY_NOT_FOUND")
    assert refusal(registered, extensions=persisted(KINDS)) == not_found
    assert registered.asked({"query": KINDS, "extensions": persisted(KINDS)}).query == KINDS
    assert registered.asked({"extensions": persisted(KINDS)}).query == KINDS
    assert refusal(registered, query=NAMES, extensions=persisted("{ other }"))[0] == 400
    assert refusal(registered, extensions=persisted("{ other }")) == not_found


def test_who_takes_no_automatic_ones_says_so() -> None:
    told = refusal(Registered({}), extensions=persisted(KINDS))
    assert told == (200, "PERSISTED_QUERY_NOT_SUPPORTED")
    strange = {"persistedQuery": {"version": 2, "sha256Hash": hash_of(KINDS)}}
    assert refusal(Registered({}), extensions=strange) == (400, "BAD_REQUEST")


def test_a_folder_of_no_use_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be a folder"):
        trusted_in(tmp_path / "nowhere")
    (tmp_path / "bad.graphql").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        trusted_in(tmp_path)


async def test_over_every_way(tmp_path: Path, folder: Path, valkey_url: str) -> None:
    documents = {"folder": str(folder), "only": True}
    home = tmp_path / "home"
    home.mkdir()
    async with guarded(home, valkey_url, documents=documents, access={"open": True}) as house:
        members = {"documentId": f"sha256:{hash_of(KINDS)}"}
        async with house.session.post(
            house.url("/graphql"), data=orjson.dumps(members), headers=JSON
        ) as answer:
            assert "kinds" in orjson.loads(await answer.read())["data"]
        async with house.session.get(house.url("/graphql"), params=members) as answer:
            assert "kinds" in orjson.loads(await answer.read())["data"]
        for asking in (house.post, house.events, house.socket):
            told = (await asking(None, "{ __typename }"))[1]["errors"][0]
            assert told["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
            assert "kinds" in (await asking(None, KINDS))[1]["data"]
