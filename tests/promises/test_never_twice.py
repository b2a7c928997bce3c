"""Never twice: a question is asked once, whoever asks it, however many do at the same time."""

import asyncio
from collections import Counter

from tests.assay_process import (
    Client,
    Sections,
    client_of,
    environment,
    living,
    processes,
    sections,
)
from tests.deploy.gunicorn_process import running_gunicorn
from tests.sandbox_process import RunningSandbox

DELIVERABLE = "results { email { mailbox { deliverable } reasons { code } } }"
MAILBOXES = "results { email { mailbox { deliverable } } } usage { valuesAsked savedByDedupe }"
EMAILS = ("zerobounce", "zerobounce-bulk")
CLIENTS = 8
TAKE_OVER_S_MAX = 10.0
"""A claim of a dead process lasts 3 seconds; the machine may be busy."""


async def mailboxes(sandbox: RunningSandbox) -> list[str]:
    """Return every mailbox that was asked for, singly or in bulk, repeats included."""
    return [value for mount in EMAILS for value in await sandbox.values_asked(mount)]


async def until_asked(sandbox: RunningSandbox, mount: str) -> None:
    async with asyncio.timeout(TAKE_OVER_S_MAX):
        while not await sandbox.log(mount):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)


async def test_equal_values_of_a_request_are_one_question(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    spellings = ["Ada@One.example", "ada@one.example", " ada@ONE.example ", "ada@one.example"]
    async with living(usual) as assay:
        payload = await assay.validate(MAILBOXES, [{"email": one} for one in spellings])
    assert await mailboxes(sandbox) == ["ada@one.example"]
    assert len({one["email"]["mailbox"]["deliverable"] for one in payload["results"]}) == 1
    assert payload["usage"] == {"valuesAsked": 1, "savedByDedupe": 3}


async def test_two_fields_that_need_one_answer_are_one_question(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """Two mailboxes of a domain ask the DNS about it once; a status and a fact share outcomes."""
    selection = "results { status email { domain { mx acceptsMail } mailbox { deliverable } } }"
    async with living(usual) as assay:
        await assay.validate(
            selection, [{"email": "a@one.example.org"}, {"email": "b@one.example.org"}]
        )
    counts = await sandbox.statistics()
    assert counts["dns"]["by_type"] == {"MX": 1}
    assert sorted(await mailboxes(sandbox)) == ["a@one.example.org", "b@one.example.org"]


async def test_concurrent_requests_share_their_questions(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.latency("zerobounce", 50)
    emails = [f"{at}@one.example" for at in range(10)]
    async with living(usual) as assay:
        answers = await asyncio.gather(
            *(assay.validate(MAILBOXES, [{"email": one} for one in emails]) for _ in range(CLIENTS))
        )
    assert sorted(await mailboxes(sandbox)) == sorted(emails)
    assert all(one["results"] == answers[0]["results"] for one in answers)
    assert sum(one["usage"]["valuesAsked"] for one in answers) == len(emails)
    assert sum(one["usage"]["savedByDedupe"] for one in answers) == len(emails) * (CLIENTS - 1)


async def test_what_another_process_learnt_is_known_here(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """The shared store outlives a process, and every kind comes back from it as it was."""
    records = [
        {"email": "ada@one.example.org"},
        {"phone": {"number": "+46701740611"}},
        {"vatNumber": "FR88100000009"},
        {"vatNumber": "GB100000230"},
        {"lei": "SBOX00ISSUED00000047"},
        {"company": {"number": "00000301", "jurisdiction": "GB"}},
        {"postcode": {"code": "E1W 1UU", "country": "GB"}},
    ]
    selection = (
        "results { status email { domain { mx } mailbox { deliverable freeProvider } }"
        " phone { lineType { type carrier } } vatNumber { registry { registeredName"
        " registeredAddress confirmedAt } } lei { registry { legalName nextRenewal } }"
        " company { registry { status dissolvedOn } } postcode { registry { terminatedYear } }"
        " verdicts { reasons { code } expiresAt outcomes { provider foundAt cost } } }"
    )
    async with living(usual) as assay:
        first = await assay.validate(selection, records)
    await sandbox.reset()
    async with living(usual) as assay:
        second = await assay.validate(f"{selection} usage {{ callsMade savedByCache }}", records)
    assert second["results"] == first["results"]
    assert second["usage"] == {"callsMade": 0, "savedByCache": 8}
    assert not any(one["calls"] for one in (await sandbox.statistics()).values())


async def test_two_processes_asked_at_once_make_one_call(
    sandbox: RunningSandbox, pair: tuple[Client, Client]
) -> None:
    for mount in ("vies", "zerobounce"):
        await sandbox.latency(mount, 300)
    record = {"email": "once@two.example", "vatNumber": "XI100000132"}
    answers = await asyncio.gather(
        *(
            one.validate(
                "results { verdicts { status source } email { mailbox { deliverable } } }", [record]
            )
            for one in pair * 3
        )
    )
    assert await sandbox.values_asked("vies") == ["XI100000132"]
    assert await mailboxes(sandbox) == ["once@two.example"]
    assert (await sandbox.statistics("vies"))["calls"] == 1
    states = [[verdict["status"] for verdict in one["results"][0]["verdicts"]] for one in answers]
    assert states == [states[0]] * len(states)
    assert "UNKNOWN" not in states[0]


async def test_twenty_emails_of_eight_clients_are_twenty_questions(
    sandbox: RunningSandbox, pair: tuple[Client, Client]
) -> None:
    emails = [f"{at}@eight.example" for at in range(20)]
    records = [{"email": one} for one in emails]
    await asyncio.gather(*(pair[at % 2].validate(DELIVERABLE, records) for at in range(CLIENTS)))
    assert sorted(await mailboxes(sandbox)) == sorted(emails)


async def test_it_holds_over_the_workers_of_gunicorn(
    sandbox: RunningSandbox, valkey_url: str
) -> None:
    """As in production: a client of one connection each, so that both workers get some."""
    emails = [f"{at}@gunicorn.example" for at in range(20)]
    given = environment(sections(sandbox, valkey_url))
    assay_only = {name: value for name, value in given.items() if name.startswith("ASSAY_")}

    async def ask() -> None:
        async with client_of(path) as client:
            await client.validate(DELIVERABLE, [{"email": one} for one in emails])

    with running_gunicorn(assay_only, app=None) as (_, path):
        await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    assert Counter(await mailboxes(sandbox)) == dict.fromkeys(emails, 1)


async def test_the_claims_of_a_process_that_was_killed_are_taken_over(
    sandbox: RunningSandbox, valkey_url: str, usual: Sections
) -> None:
    """Nobody waits for the dead for more than seconds, and nobody is told a guess."""
    loop = asyncio.get_running_loop()
    await sandbox.fault("zerobounce", "hang", count=1)
    records = [{"email": "bob@two.example"}]
    with processes(sections(sandbox, valkey_url), 1) as (dying,):
        async with client_of(dying.path) as client, living(usual) as assay:
            lost = asyncio.create_task(client.validate(DELIVERABLE, records))
            await until_asked(sandbox, "zerobounce")
            waiting = asyncio.create_task(assay.validate(DELIVERABLE, records))
            await asyncio.sleep(0.2)
            dying.kill()
            killed = loop.time()
            payload = await waiting
            took_s = loop.time() - killed
            await asyncio.gather(lost, return_exceptions=True)
    assert payload["results"][0]["email"]["mailbox"]["deliverable"] is not None
    assert took_s < TAKE_OVER_S_MAX
    assert await mailboxes(sandbox) == ["bob@two.example"] * 2
