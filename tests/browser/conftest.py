"""A real browser, and a log of everything that it asked for or complained about."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

# ASSAY_CHROMIUM names another one.
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# The browser itself asks nobody either.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WAIT_MS = 10_000
WIDTH, HEIGHT = 1440, 900


@dataclass
class Visit:
    """An open page with what it asked for and what the browser complained about."""

    page: Page
    asked: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    def watch(self) -> None:
        """Note every request, every error in the page and everything that its policy refused."""
        self.page.on("request", self._request)
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("console", self._message)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _message(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return where the browser is; without one the test fails, since nothing else would run it."""
    named = os.environ.get("ASSAY_CHROMIUM")
    for name in (named,) if named else BROWSERS:
        if path := shutil.which(name):
            return Path(path)
    message = (
        f"{named or 'no Chromium'} is not there. Install one (Debian: apt-get install chromium; "
        "macOS: brew install chromium) or name one in ASSAY_CHROMIUM."
    )
    pytest.fail(message)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """Start the browser once for a module."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Open an empty page, watched, that knows nothing of the visits before it."""
    context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    visit = Visit(page)
    visit.watch()
    yield visit
    await context.close()
