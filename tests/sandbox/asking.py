"""Ask each stand-in as its service's own clients do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from tests.sandbox_process import RunningSandbox

BASIC = {"Authorization": aiohttp.encode_basic_auth("sandbox", "sandbox")}
BASIC_NO_PASSWORD = {"Authorization": aiohttp.encode_basic_auth("sandbox", "")}
HMRC_JSON = "application/vnd.hmrc.2.0+json"


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:  # noqa: ANN401, JSON
        return orjson.loads(self.body)


async def call(
    sandbox: RunningSandbox,
    method: str,
    mount: str,
    path: str,
    **options: Any,  # noqa: ANN401, aiohttp has its own options
) -> Got:
    options.setdefault("allow_redirects", False)
    url = sandbox.url(mount, path)
    async with sandbox.session.request(method, url, **options) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Got(answer.status, await answer.read(), headers)


async def vies(sandbox: RunningSandbox, value: str, **more: str) -> Got:
    body = {"countryCode": value[:2], "vatNumber": value[2:], **more}
    return await call(sandbox, "POST", "vies", "/check-vat-number", json=body)


async def hmrc_token(sandbox: RunningSandbox, account: str = "sandbox") -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": account,
        "client_secret": account,
        "scope": "read:vat",
    }
    got = await call(sandbox, "POST", "hmrc", "/oauth/token", data=form)
    return got.json["access_token"]


async def hmrc(sandbox: RunningSandbox, target: str, token: str) -> Got:
    path = f"/organisations/vat/check-vat-number/lookup/{target}"
    headers = {"Authorization": f"Bearer {token}", "Accept": HMRC_JSON}
    return await call(sandbox, "GET", "hmrc", path, headers=headers)


async def gleif(sandbox: RunningSandbox, lei: str) -> Got:
    return await call(sandbox, "GET", "gleif", f"/lei-records/{lei}")


async def gleif_bulk(sandbox: RunningSandbox, *leis: str, page: int = 1, size: int = 200) -> Got:
    query = {"filter[lei]": ",".join(leis), "page[size]": str(size), "page[number]": str(page)}
    return await call(sandbox, "GET", "gleif", "/lei-records", params=query)


async def company(sandbox: RunningSandbox, number: str) -> Got:
    path = f"/company/{number}"
    return await call(sandbox, "GET", "companies-house", path, headers=BASIC_NO_PASSWORD)


async def mailbox(sandbox: RunningSandbox, email: str, key: str = "sandbox") -> Got:
    query = {"api_key": key, "email": email, "ip_address": ""}
    return await call(sandbox, "GET", "zerobounce", "/v2/validate", params=query)


async def mailboxes(sandbox: RunningSandbox, *emails: str, key: str = "sandbox") -> Got:
    batch = [{"email_address": email, "ip_address": None} for email in emails]
    body = {"api_key": key, "email_batch": batch}
    return await call(sandbox, "POST", "zerobounce-bulk", "/v2/validatebatch", json=body)


async def phone(sandbox: RunningSandbox, number: str) -> Got:
    query = {"Fields": "line_type_intelligence"}
    path = f"/v2/PhoneNumbers/{number}"
    return await call(sandbox, "GET", "twilio", path, params=query, headers=BASIC)


async def postcode(sandbox: RunningSandbox, code: str) -> Got:
    return await call(sandbox, "GET", "postcodes-io", f"/postcodes/{code}")


async def postcodes(sandbox: RunningSandbox, *codes: str) -> Got:
    return await call(sandbox, "POST", "postcodes-io", "/postcodes", json={"postcodes": codes})


async def address(
    sandbox: RunningSandbox, *lines: str, region: str = "GB", key: str = "sandbox", **parts: str
) -> Got:
    body = {"address": {"regionCode": region, **parts, "addressLines": lines}}
    query = {"key": key} if key else {}
    path = "/v1:validateAddress"
    return await call(sandbox, "POST", "google-address", path, params=query, json=body)


async def domain(
    sandbox: RunningSandbox,
    name: str,
    kind: str = "MX",
    path: str = "/resolve",
    accept: str = "application/dns-json",
) -> Got:
    query = {"name": name, "type": kind}
    headers = {"Accept": accept}
    return await call(sandbox, "GET", "dns-over-https", path, params=query, headers=headers)
