"""Every code of an error that the gateway gives stands in the table for clients."""

import re

from tests.house.tree import ROOT

GIVEN = re.compile(r'(?:Refusal\(\s*\d+,\s*|PublicError\(\s*|_refusal\(\d+, )"([A-Z_]+)"')
NAMED = re.compile(r'^[A-Z_]+(?:, [A-Z_]+)* = ((?:"[A-Z]+(?:_[A-Z]+)*"(?:, )?)+)$', re.MULTILINE)
ELSEWHERE = {
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "BAD_USER_INPUT",
    "PAYLOAD_TOO_LARGE",
    "BAD_REQUEST",
}
OF_UPLOADS = {"gateway/upload_answers.py", "gateway/upload_request.py"}


def test_the_table_has_just_the_codes_that_are_given() -> None:
    given = set(ELSEWHERE)
    for room in ("gateway", "resolvers", "schema"):
        for file in (ROOT / room).rglob("*.py"):
            if file.relative_to(ROOT).as_posix() in OF_UPLOADS or "cli" in file.parts:
                continue
            text = file.read_text("utf-8")
            given |= set(GIVEN.findall(text))
            for codes in NAMED.findall(text):
                found = re.findall(r'"([A-Z_]+)"', codes)
                given |= {code for code in found if not code.startswith("ASSAY_")}
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert told - given == set()
    assert given - told == set()
