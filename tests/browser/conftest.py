"""A browser that reports whatever a page asks of anybody outside this machine."""

import re
import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

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


@pytest.fixture
def page(browser):
    with offline_page(browser) as page:
        yield page
