"""A real Chromium, and the servers that it looks at."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.browser.servers import Servers, running

NEEDS_ALL: Final = bool(os.environ.get("AUTOGRADER_TESTS_NEED_ALL"))
PICTURES: Final = os.environ.get("AUTOGRADER_TESTS_PICTURES", "")
"""A folder for pictures of the pages; empty for none."""
_OPTIONS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--test-third-party-cookie-phaseout",  # as browsers will be: only partitioned cookies in frames
)
_WAIT_MS: Final = 60_000
PHONE: Final[ViewportSize] = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium; not for longer, as other tests cannot use asyncio meanwhile."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which(
        "google-chrome"
    )  # fmt: skip
    if path is None:
        missing = pytest.fail if NEEDS_ALL else pytest.skip
        missing("Chromium is not installed here (Debian's package: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The tool and the platform, not yet registered with each other."""
    with running(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser as somebody opens it first: no cookies; Spanish."""
    expect.set_options(timeout=_WAIT_MS)
    made = chromium.new_context(ignore_https_errors=True, locale="es-ES")
    made.set_default_timeout(_WAIT_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of it."""
    return context.new_page()


def picture(page: Page, name: str) -> None:
    """Keep a picture of a page for people to look at, if they have asked for it."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)
