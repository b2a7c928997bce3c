"""A mistake in a declaration stops the start, with its line, its key and the nearest spelling."""

from pathlib import Path

import pytest

from gateway.declarations import declarations_of
from gateway.settings import ConfigurationError, load_settings
from providers.declared.settings import DeclaredProvider

GOOD = """\
[kinds.isin]
description = "Securities."
pattern = "(?P<country>[A-Z]{2})[A-Z0-9]{9}[0-9]"
stdnum = "isin"

[providers.hunter]
service = "http"
kind = "email"
base_url = "https://api.example/v2"
bulk = 10

[providers.hunter.auth]
type = "query"
name = "api_key"

[providers.hunter.call]
method = "GET"
path = "/check/{domain}"
query = { email = "{value}" }

[providers.hunter.bulk_call]
method = "POST"
json = { all = "{values}" }
each = { is = "{value}" }

[providers.hunter.bulk_answer]
match = "key"

[providers.hunter.answer]
about = "email"
about_value = "{value}"
absent = { when = "code == 'none'", http = [404], status = "INVALID" }

[providers.hunter.answer.status]
read = "data.status"
map = { good = "VALID" }

[[providers.hunter.answer.errors]]
http = [403]
reason = "PROVIDER_REFUSED"

[[providers.hunter.answer.errors]]
when = "errors[0].id"
reason = "RATE_LIMITED"

[providers.hunter.evidence.score]
type = "Int"
read = "data.score"
"""


def started(text: str, folder: Path) -> None:
    file = folder / "assay.toml"
    file.write_text(text)
    declarations_of(load_settings(file))


def refused(text: str, folder: Path) -> str:
    with pytest.raises(ConfigurationError) as error:
        started(text, folder)
    return str(error.value).replace(f"{folder}/", "")


def test_a_good_declaration_starts(tmp_path: Path) -> None:
    started(GOOD, tmp_path)


@pytest.mark.parametrize(
    "was, now, where, words",
    [
        ('method = "GET"', 'methd = "GET"', "call.methd", "did you mean 'method'?"),
        ('method = "GET"', 'method = "GTE"', "call.method", "did you mean 'GET'?"),
        ('path = "/check/{domain}"', 'path = "/check/{domian}"', "call.path",
         "values of kind email have no part 'domian'; did you mean 'domain'?"),
        ('path = "/check/{domain}"', 'path = "/check/{domain"', "call.path", "a brace has no"),
        ('path = "/check/{domain}"', 'path = "/check/{domain:uper}"', "call.path",
         "no filter 'uper'; did you mean 'upper'?"),
        ('path = "/check/{domain}"', 'path = "check?x=1"', "call", "the path begins with /"),
        ('query = { email = "{value}" }', 'query = { email = "{vlue}" }', "call.query.email",
         "did you mean 'value'?"),
        ('each = { is = "{value}" }', 'each = { is = "{x}" }', "bulk_call.each",
         "have no part 'x'; there are value, local, domain"),
        ('json = { all = "{values}" }', "json = { all = 1 }", "bulk_call", "{values} somewhere"),
        ("json = { all", "query = { all", "bulk_call", "`join` makes it one text"),
        ('method = "POST"\njson', 'method = "GET"\njson', "bulk_call", "a GET has no body"),
        ('type = "query"', 'type = "qurey"', "auth.type", "did you mean 'query'?"),
        ('name = "api_key"', "", "auth", "needs `name`"),
        ('about = "email"', 'about = "email["', "answer.about", "not JMESPath: unexpected"),
        ('about = "email"', "", "hunter", "needs `answer.about`"),
        ("bulk = 10", "", "hunter", "`bulk_call` and `bulk`"),
        ('match = "key"', 'match = "index"', "bulk_answer", "`index` and match"),
        ('when = "errors[0].id"', 'when = "lenght(errors)"', "answer.errors.1.when",
         "JMESPath has no function lenght(); did you mean length()?"),
        ('when = "errors[0].id"', 'when = "length(a, b)"', "answer.errors.1.when",
         "length() takes 1 arguments, and gets 2"),
        ('when = "errors[0].id"', 'when = ""', "answer.errors.1.when", "it is empty"),
        ('when = "errors[0].id"\n', "", "answer.errors.1", "needs `when`, `http` or both"),
        ('"RATE_LIMITED"', '"RATE_LIMITTED"', "answer.errors.1.reason",
         "did you mean 'RATE_LIMITED'?"),
        ('"RATE_LIMITED"', '"MALFORMED"', "answer.errors.1.reason", "no reason for an error"),
        ('"PROVIDER_REFUSED"', '"PROVIDER_REFUSD"', "answer.errors.0.reason",
         "did you mean 'PROVIDER_REFUSED'?"),
        ("http = [403]", "http = [43]", "answer.errors.0.http.0", "greater than or equal to 100"),
        ('good = "VALID"', 'good = "VALD"', "answer.status.map.good", "did you mean 'VALID'?"),
        ('{ good = "VALID" }', "{}", "answer.status.map", "at least 1 item"),
        ("map = { good", 'default = "VALID"\nmap = { good', "answer.status.default", "'UNKNOWN'"),
        ('read = "data.status"', "read = \"status && 'good' || 'good'\"", "answer.status.read",
         "finds 'good' in an empty answer too"),
        ("when = \"code == 'none'\", ", "", "answer.absent", "a 404 alone may be a proxy's"),
        ("code == 'none'", "!data", "answer.absent.when", "holds for an empty answer too"),
        ('type = "Int"', 'type = "Integer"', "evidence.score.type", "did you mean 'Int'?"),
        ('type = "Int"\n', "", "evidence.score", "a fact needs a `type`"),
        ('kind = "email"', 'kind = "emial"', "kind", "no kind 'emial'; did you mean 'email'?"),
        ('kind = "email"', 'kind = "email"\ncheck = "syntax"', "check", "not a check for"),
        ('kind = "email"', 'kind = "email"\ncheck = "domain"', "check", "not a check for"),
        ('kind = "email"', 'kind = "email"\ncheck = "status"', "check", "has a field 'status'"),
        ('kind = "email"', 'kind = "email"\ncheck = "mailbox"', "evidence.score",
         "no such fact of this check"),
        ('kind = "email"', "kind = \"email\"\nserves.contry = ['DE']", "serves.contry",
         "have no part 'contry'"),
        ('base_url = "https://api.example/v2"\n', "", "base_url", "field required"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_provider_is_explained(
    was: str, now: str, where: str, words: str, tmp_path: Path
) -> None:
    assert was in GOOD
    message = refused(GOOD.replace(was, now, 1), tmp_path)
    place, _, said = message.partition(": ")
    assert place.startswith("assay.toml, line "), message
    assert words in said, message
    assert where in said.partition(": ")[0].removeprefix("providers.hunter."), message


def test_a_mistake_has_the_line_that_it_is_in(tmp_path: Path) -> None:
    text = GOOD.replace('"RATE_LIMITED"', '"SLOW_DOWN"')
    line = text.splitlines().index('reason = "SLOW_DOWN"') + 1
    assert f"line {line}: providers.hunter.answer.errors.1.reason: " in refused(text, tmp_path)
    text = GOOD.replace("{domain}", "{domian}")
    line = text.splitlines().index('path = "/check/{domian}"') + 1
    assert f"line {line}: providers.hunter.call.path: " in refused(text, tmp_path)


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    text = GOOD.replace("{domain}", "{domian}").replace("code == 'none'", "!code")
    assert len(refused(text, tmp_path).splitlines()) == 2


@pytest.mark.parametrize(
    "was, now, words",
    [
        ('stdnum = "isin"', 'stdnum = "isn"', "isin.stdnum: python-stdnum has no module 'isn'"),
        ('stdnum = "isin"', 'stdnum = "../isin"', "has no module"),
        ('stdnum = "isin"', 'stdnum = "util"', "has no module"),
        ("[A-Z]{2}", "[A-Z{2}", "kinds.isin.pattern: input should be a valid regular expression"),
        ('description = "Securities."\n', "", "a kind of your own needs a `description`"),
        ("[kinds.isin]", "[kinds.Isin]", "a kind is named like a field"),
        ("[kinds.isin]", "[kinds.ref]", "that name is taken"),
        ("[kinds.isin]", "[kinds.email]", "kinds.email.description: email is built in"),
        ("[kinds.isin]", "[kinds.emial]\nchecks = []\n[kinds.isin]", "did you mean 'email'?"),
        ("pattern =", "patern =", "kinds.isin.patern: no such setting; did you mean 'pattern'?"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_kind_is_explained(was: str, now: str, words: str, tmp_path: Path) -> None:
    message = refused(GOOD.replace(was, now, 1), tmp_path)
    assert "line " in message
    assert words in message


def test_two_providers_of_one_check_agree_about_its_facts(tmp_path: Path) -> None:
    other = """
[providers.other]
service = "http"
kind = "email"
check = "hunter"
base_url = "https://other.example"
call = { path = "/{value}" }
answer.status = { read = "s", map = { ok = "VALID" } }
evidence.score = { type = "Float", read = "score" }
"""
    message = refused(GOOD + other, tmp_path)
    assert "providers.other.evidence.score: another provider of this check has a fact" in message
    started(GOOD + other.replace("Float", "Int"), tmp_path)


def test_the_environment_sets_what_the_file_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_PROVIDERS__HUNTER__API_KEY", "from the environment")
    monkeypatch.setenv("ASSAY_PROVIDERS__HUNTER__RATES", "5/s,7/m")
    file = tmp_path / "assay.toml"
    file.write_text(GOOD)
    provider = load_settings(file).providers["hunter"]
    assert isinstance(provider, DeclaredProvider)
    assert provider.api_key is not None
    assert provider.api_key.get_secret_value() == "from the environment"
    assert [rate.text for rate in provider.rates or ()] == ["5/s", "7/m"]
    monkeypatch.setenv("ASSAY_PROVIDERS__HUNTER__CALL__METHOD", "PUT")
    with pytest.raises(ConfigurationError, match="variable ASSAY_PROVIDERS__HUNTER__CALL__METHOD"):
        load_settings(file)
