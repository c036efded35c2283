"""Every slide of every deck, measured in a real browser at two sizes.

`make slides` makes the decks; axe-core, from npm, judges the contrast.
"""

import subprocess
from pathlib import Path

import nbformat
import pytest
from browsing import MINUTE, VIEWS, move_view, stores_view

from tools.npm import package

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
AXE = "axe-core@4.10.3"
SMALLEST = 14  # pixels
every_deck = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

# What is wrong with the slide that is shown, as a list of sentences.
MEASURE = """
(smallest) => {
  const slide = Reveal.getCurrentSlide(), faults = [];
  const scale = Reveal.getScale(), edge = slide.getBoundingClientRect();
  const foot = document.querySelector(".slide-number").getBoundingClientRect().top;
  const heard = "aside, aside *, mjx-assistive-mml, mjx-assistive-mml *, script";
  const shown = [...slide.querySelectorAll("*")].filter(
    (e) => !e.matches(heard) && e.checkVisibility());
  const words = (e) => (e.alt || e.textContent || e.tagName).trim().slice(0, 40);
  for (const e of shown) {
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest("svg") && e.tagName != "svg") continue;
    if (box.right > edge.right + 1 || box.left < edge.left - 1 || e.scrollWidth > e.clientWidth + 1
        && e.clientWidth && getComputedStyle(e).overflowX != "visible")
      faults.push(`over the side: ${words(e)}`);
    if (box.bottom > foot || box.top < edge.top - 1)
      faults.push(`over the end (${Math.round(box.bottom)} of ${Math.round(foot)}): ${words(e)}`);
    const text = [...e.childNodes].some((n) => n.nodeType == 3 && n.data.trim());
    const size = parseFloat(getComputedStyle(e).fontSize) * scale;
    if (text && size < smallest) faults.push(`text of ${size} px: ${words(e)}`);
    if (text && !e.closest("pre, code") && /\\$[^$]+\\$|\\\\[a-zA-Z]+\\{/.test(e.textContent))
      faults.push(`formula not set: ${words(e)}`);
    if (e.tagName == "IMG" && !(e.alt && e.complete && e.naturalWidth))
      faults.push(`picture without text or data: ${e.src.slice(0, 60)}`);
    if (e.matches("mjx-merror, [data-mjx-error]")) faults.push(`formula in error: ${words(e)}`);
  }
  const title = slide.querySelector("h1, h2, h3, p, pre, li");
  const first = title ? title.textContent.trim().slice(0, 50) : words(slide);
  return { first, faults: [...new Set(faults)].slice(0, 3) };
}
"""


@pytest.fixture(scope="session")
def slides():
    subprocess.run(["make", "slides"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "_site/slides"


@pytest.fixture
def open_deck(page, slides):
    """A function that opens a deck from disk; whatever the page complains of fails the test."""
    complaints = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:100]}"))

    def open_it(path, width=1280, height=720, query=""):
        page.set_viewport_size({"width": width, "height": height})
        page.goto((slides / f"{path.stem}.html").as_uri() + query)
        page.wait_for_function("window.deckIsReady", timeout=MINUTE)
        return page

    yield open_it
    assert not complaints
    assert not page.outside


def each_slide(page):
    """Show one slide after the other, all its fragments, and give its number."""
    indices = page.evaluate(
        "Reveal.getSlides().map((s) => Reveal.getIndices(s)).map(({h, v}) => [h, v || 0])"
    )
    for number, (h, v) in enumerate(indices, start=1):
        page.evaluate(f"Reveal.slide({h}, {v}, 99)")
        yield number


@every_deck
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)], ids=["1280", "1920"])
def test_every_slide_is_whole_and_readable(open_deck, path, size):
    page, faults = open_deck(path, *size), []
    for number in each_slide(page):
        answers = page.locator("section.present:not(.stack) details")
        found = page.evaluate(MEASURE, SMALLEST)
        for answer in range(answers.count()):
            answers.nth(answer).evaluate("answer => { answer.open = true }")
            found["faults"] += page.evaluate(MEASURE, SMALLEST)["faults"]
            answers.nth(answer).evaluate("answer => { answer.open = false }")
        faults += [f"slide {number} ({found['first']}): {fault}" for fault in found["faults"]]
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        ("<div style='width: 1300px'>wide</div>", "over the side: wide"),
        ("<pre style='overflow: hidden'>" + "x" * 200 + "</pre>", "over the side: xxx"),
        ("<p style='margin-top: 700px'>low</p>", "over the end"),
        ("<p style='font-size: 13px'>tiny</p>", "text of 13 px: tiny"),
        ("<p>raw $x_i$</p>", "formula not set: raw"),
        ("<img src='data:image/png;base64,AAAA' alt='broken'>", "picture without"),
        ("<mjx-container data-mjx-error='no'>bad</mjx-container>", "formula in error: bad"),
    ],
)
def test_the_measure_finds(open_deck, harm, complaint):
    page = open_deck(NOTEBOOKS[0])
    assert page.evaluate(MEASURE, SMALLEST)["faults"] == []
    page.evaluate("harm => Reveal.getCurrentSlide().insertAdjacentHTML('beforeend', harm)", harm)
    page.wait_for_timeout(100)
    assert complaint in "\n".join(page.evaluate(MEASURE, SMALLEST)["faults"])


def contrast_faults(page):
    page.add_script_tag(path=package(AXE) / "axe.min.js")
    found = page.evaluate("axe.run(document, {runOnly: ['color-contrast', 'image-alt']})")
    return [f"{v['id']}: {node['html'][:99]}" for v in found["violations"] for node in v["nodes"]]


@every_deck
def test_every_text_stands_out_from_its_ground(open_deck, path):
    page = open_deck(path, query="?print-pdf")  # all slides at once
    faults = contrast_faults(page)
    assert not faults, "\n" + "\n".join(faults)
    page.evaluate("document.querySelector('section h3').style.color = '#aaa'")
    assert contrast_faults(page)


@every_deck
def test_views_are_alive_on_their_slides_and_arrows_stay_in_them(open_deck, path):
    cells = nbformat.read(path, as_version=4).cells
    page, seen = open_deck(path), 0
    for _ in each_slide(page):
        if page.locator("section.present:not(.stack)").locator(VIEWS).count():
            before = page.url
            move_view(page.locator("section.present:not(.stack)"), page)
            assert page.url == before
            seen += 1
    assert seen == sum(map(stores_view, cells))


def test_space_opens_an_answer_and_turns_no_page(open_deck):
    page = open_deck(NOTEBOOKS[0])
    answer = page.locator("section.present:not(.stack) details").first
    while not answer.count():
        page.keyboard.press("Space")
    before = page.url
    answer.locator("summary").focus()
    page.keyboard.press("Space")
    assert answer.evaluate("answer => answer.open")
    assert page.url == before


def test_a_deck_begins_with_its_title_and_counts_its_slides(open_deck):
    page = open_deck(NOTEBOOKS[0])
    assert page.locator("section.title.present h1").inner_text() == page.title()
    total = page.evaluate("Reveal.getTotalSlides()")
    assert page.locator(".slide-number").inner_text().replace("\n", " ") == f"1 / {total}"
    assert page.locator(".progress").is_visible()


def test_the_speaker_view_shows_the_notes(open_deck):
    page = open_deck(NOTEBOOKS[0])
    for _ in each_slide(page):
        if page.locator("section.present:not(.stack) aside.notes").count():
            break
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    speaker = opened.value
    speaker.wait_for_selector(".speaker-controls-notes:not(.hidden)")
    expected = page.locator("section.present:not(.stack) aside.notes").text_content().split()[:5]
    assert speaker.locator(".speaker-controls-notes .value").text_content().split()[:5] == expected
