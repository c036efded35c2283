"""Every page of the site, opened from disk once and looked at in three widths.

`make site` makes the pages; axe-core, from npm, judges the contrast.
"""

import html
import re

import nbformat
import pytest
from browsing import MINUTE, VIEWS, contrast_faults, move_view, stores_view
from conftest import ROOT, quiet_page
from playwright.sync_api import expect

from tools.site import units

WIDTHS = (390, 820, 1440)
UNITS = [f"notebooks/{name}" for name in units()]
PAGES = ["index", "README", "data/README", "data/microworld/README", "benchmarks/RESULTS", *UNITS]

# What is wrong with the page in this width, as a list of sentences.
MEASURE = """
() => {
  const faults = [], edge = document.documentElement.clientWidth;
  const words = (e) => (e.alt || e.textContent || e.tagName).trim().slice(0, 40);
  const scrolls = (e) => e && (/auto|scroll/.test(getComputedStyle(e).overflowX)
    || scrolls(e.parentElement));
  if (document.documentElement.scrollWidth > edge) faults.push("the page scrolls sideways");
  const inside = ":not(pre *, svg *, mjx-container *, script)";
  for (const e of document.querySelectorAll(`.bd-article ${inside}`)) {
    if (!e.checkVisibility()) continue;
    const box = e.getBoundingClientRect();
    if (box.right > edge + 1 && !scrolls(e)) faults.push(`over the edge: ${words(e)}`);
    if (edge > 600 && e.matches(".cell_input pre") && e.scrollWidth > e.clientWidth + 1)
      faults.push(`code wider than its box: ${words(e)}`);
    const text = [...e.childNodes].map((n) => n.nodeType == 3 ? n.data : "").join(" ");
    if (!e.closest("pre, code, mjx-container") && /\\$[^$]+\\$|\\\\[a-zA-Z]+\\{/.test(text))
      faults.push(`formula not set: ${words(e)}`);
    if (e.matches(".math") && !e.querySelector("mjx-container"))
      faults.push(`formula not set: ${words(e)}`);
    if (e.tagName == "IMG" && !(e.alt.length > 9 && e.complete && e.naturalWidth))
      faults.push(`picture without text or data: ${e.src.slice(0, 60)}`);
  }
  for (const e of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
    faults.push(`formula in error: ${words(e)}`);
  return [...new Set(faults)];
}
"""
# axe-core looks at each element for long, and three pieces of code show all its colours.
LIGHTEN = """
document.querySelectorAll("mjx-container, svg").forEach((e) => e.remove());
[...document.querySelectorAll("pre")].slice(3).forEach((e) => e.remove());
"""
OPEN = "document.querySelectorAll('details').forEach((details) => { details.open = true })"


def loads(pages):
    return pytest.mark.parametrize("web", pages, indirect=True)


@pytest.fixture(scope="module")
def web(request, browser, site):
    """A page opened from disk; whatever it complains of fails the test."""
    with quiet_page(browser) as page:
        page.goto((site / f"{request.param}.html").as_uri(), timeout=3 * MINUTE)
        page.evaluate("window.MathJax && MathJax.startup.promise")
        page.name = request.param
        yield page


def tagged(name, tag):
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    return [cell for cell in cells if tag in cell.metadata.get("tags", []) and cell.outputs]


@loads(UNITS)
def test_a_unit_folds_its_answers_and_its_views_are_alive(web):
    assert web.locator("details[open]").count() == 0
    assert web.locator("details.hide").count() == len(tagged(web.name, "hide-output"))
    cells = nbformat.read(ROOT / f"{web.name}.ipynb", as_version=4).cells
    views = sum(map(stores_view, cells))
    assert web.locator("[data-alive]").count() == views == web.locator(VIEWS).count()
    if views:
        web.evaluate(OPEN)  # the first may be an answer that is folded
        move_view(web.locator("body"), web)
    solutions = sum(cell.source.count("<summary>Solution") for cell in cells)
    assert web.locator("summary:text-is('Solution')").count() == solutions
    assert "<!-- notes" not in web.content()


@loads(PAGES)
def test_a_page_is_whole_in_every_width_and_its_text_stands_out(web):
    web.evaluate(OPEN)
    faults = []
    for width in WIDTHS:
        web.set_viewport_size({"width": width, "height": 1000})
        faults += [f"{width} wide: {fault}" for fault in web.evaluate(MEASURE)]
    web.evaluate(LIGHTEN)
    faults += contrast_faults(web)
    assert not faults, "\n" + "\n".join(faults)
    assert "documentation" not in web.title() and "Attention, from kernel" in web.title()
    assert web.locator(".section-number").count() == 0


@loads(["index"])
def test_the_measure_finds(web):
    assert web.evaluate(MEASURE) == []
    for harm, complaint in (
        ("<div style='width: 1500px'>wide</div>", "over the edge: wide"),
        ("<div class='cell_input'><pre>" + "x" * 300 + "</pre></div>", "code wider than its box"),
        ("<p>raw $x_i$</p>", "formula not set: raw"),
        ("<span class='math'>raw</span>", "formula not set: raw"),
        ("<img src='data:image/png;base64,AAAA' alt='a broken one'>", "picture without"),
        ("<mjx-container data-mjx-error='no'>bad</mjx-container>", "formula in error: bad"),
    ):
        put = "harm => document.querySelector('.bd-article').insertAdjacentHTML('beforeend', harm)"
        web.evaluate(put, harm)
        web.wait_for_timeout(100)
        assert complaint in "\n".join(web.evaluate(MEASURE))
        web.evaluate("document.querySelector('.bd-article').lastElementChild.remove()")
    web.evaluate(put, "<p style='color: #aaa; background: white'>pale</p>")
    assert len(contrast_faults(web)) == 1
    web.evaluate("document.querySelector('.bd-article').lastElementChild.remove()")


@loads(["search"])
def test_the_search_finds_from_disk(web):
    web.goto(f"{web.url}?q=softargmax")
    found = web.locator("#search-results a").filter(has_text="Attention pooling").first
    expect(found).to_be_visible(timeout=MINUTE)
    found.click()
    expect(web.locator("h1").first).to_contain_text("Attention pooling", timeout=MINUTE)


@loads(["index", UNITS[5]])  # the second has an explorer
def test_in_the_dark_the_text_stands_out_too(web):
    web.add_style_tag(content="* { transition: none !important }")  # no colour halfway
    web.evaluate("document.documentElement.dataset.theme = 'dark'")
    faults = contrast_faults(web)
    assert not faults, "\n" + "\n".join(faults)


def test_every_link_of_every_page_and_deck_leads_somewhere(site):
    paths = [*(site / f"{name}.html" for name in PAGES), *(site / "slides").glob("*.html")]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in texts.items()}
    lost = set()
    for path, text in texts.items():
        for link in map(html.unescape, re.findall(r'\b(?:href|src)="([^"]+)"', text)):
            if not re.match(r"\w+:", link):
                file, _, anchor = link.partition("#")
                target = (path.parent / file.partition("?")[0]).resolve() if file else path
                if not target.is_file() or (anchor and anchor not in anchors.get(target, {anchor})):
                    lost.add(f"{path.relative_to(site)}: {link}")
    assert not lost, "\n" + "\n".join(sorted(lost))
