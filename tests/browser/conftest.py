"""A browser that reports whatever a page asks of anybody outside this machine."""

import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("no chromium on the PATH: apt install chromium, then run it again")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def slides():
    subprocess.run(["make", "slides"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "_site/slides"


@pytest.fixture(scope="session")
def site(slides):
    """The pages; the decks beside them have just been made."""
    subprocess.run(["make", "-o", "slides", "site"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "_site"


@contextmanager
def offline_page(browser):
    """A page that must not ask anybody outside this machine for anything."""
    page, outside = browser.new_page(viewport={"width": 1280, "height": 1000}), []

    def only_here(route):
        address = route.request.url
        if re.match(r"(https?|wss?)://(?!127\.0\.0\.1|localhost)", address):
            outside.append(address)
            route.abort()
        else:
            route.continue_()

    page.route("**/*", only_here)
    page.outside = outside
    yield page
    page.close()


@contextmanager
def quiet_page(browser):
    """An offline page; whatever it complains of, or asks outside, fails the test in the end."""
    complaints = []
    with offline_page(browser) as page:
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:100]}"))
        yield page
        assert not complaints
        assert not page.outside


@pytest.fixture
def page(browser):
    with offline_page(browser) as page:
        yield page
