"""Every slide of every deck, measured in a real browser at two sizes and as it is printed.

`make slides` makes the decks; axe-core, from npm, judges the contrast.  A deck is loaded once for
each size.
"""

from pathlib import Path

import nbformat
import pytest
from browsing import MINUTE, VIEWS, contrast_faults, move_view, stores_view
from conftest import quiet_page

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALLEST = 14  # pixels
SIZES = [(1280, 720), (1920, 1080)]
# A lecture, before its appendix: slides, words on each, shares with a picture and with code.
MOST_SLIDES, MOST_WORDS, PICTURES, CODE = 65, 60, 1 / 3, 1 / 4

# What the slide that is shown holds, and what is wrong with it, as a list of sentences.
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
  const unread = "aside, pre, mjx-container, script, label, select, svg, [aria-live], .running";
  const read = document.createTreeWalker(slide, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT,
    (e) => e.matches?.(unread) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  let text = "";
  while (read.nextNode()) text += read.currentNode.data || " ";
  return {
    first,
    faults: [...new Set(faults)].slice(0, 3),
    words: (text.match(/\\S*[\\p{L}\\p{N}]\\S*/gu) || []).length,
    headline: (slide.querySelector("h1, h2") || { textContent: "" }).textContent,
    picture: Boolean(slide.querySelector("img, figure svg")),
    code: Boolean(slide.querySelector(".highlight")),
    appendix: slide.matches(".appendix"),
  };
}
"""


def loads(*keys):
    """The decks that a test wants, each (path, size) or (path, "print")."""
    ids = [f"{path.stem[:2]}-{size[0] if size != 'print' else size}" for path, size in keys]
    return pytest.mark.parametrize("deck", keys, ids=ids, indirect=True)


every_size = loads(*[(path, size) for path in NOTEBOOKS for size in SIZES])
once = loads(*[(path, SIZES[0]) for path in NOTEBOOKS])
first_deck = loads((NOTEBOOKS[0], SIZES[0]))


@pytest.fixture(scope="module")
def deck(request, browser, slides):
    """A deck opened from disk; whatever the page complains of fails the test."""
    path, size = request.param
    with quiet_page(browser) as page:
        width, height = SIZES[0] if size == "print" else size
        page.set_viewport_size({"width": width, "height": height})
        page.goto((slides / f"{path.stem}.html").as_uri() + "?print-pdf" * (size == "print"))
        page.wait_for_function("window.deckIsReady", timeout=MINUTE)
        page.path = path
        yield page


def each_slide(page):
    """Show one slide after the other, all its fragments, and give its number."""
    indices = page.evaluate(
        "Reveal.getSlides().map((s) => Reveal.getIndices(s)).map(({h, v}) => [h, v || 0])"
    )
    for number, (h, v) in enumerate(indices, start=1):
        page.evaluate(f"Reveal.slide({h}, {v}, 99)")
        yield number


@every_size
def test_every_slide_is_whole_and_readable_and_a_lecture_is_one(deck):
    faults, measured = [], []
    for number in each_slide(deck):
        answers = deck.locator("section.present:not(.stack) details")
        found = deck.evaluate(MEASURE, SMALLEST)
        for answer in range(answers.count()):
            answers.nth(answer).evaluate("answer => { answer.open = true }")
            found["faults"] += deck.evaluate(MEASURE, SMALLEST)["faults"]
            answers.nth(answer).evaluate("answer => { answer.open = false }")
        faults += [f"slide {number} ({found['first']}): {fault}" for fault in found["faults"]]
        measured.append(found)
    faults += faults_of_lecture(measured)
    assert not faults, "\n" + "\n".join(faults)


def faults_of_lecture(measured):
    """What of a lecture's bounds the slides before the appendix do not keep."""
    ends = [number for number, slide in enumerate(measured) if slide["appendix"]]
    lecture = measured[: ends[0]] if ends else measured
    faults = [] if ends else ["no appendix"]
    if len(lecture) > MOST_SLIDES:
        faults.append(f"{len(lecture)} slides, at most {MOST_SLIDES}")
    pictures, code = (sum(s[what] for s in lecture) / len(lecture) for what in ("picture", "code"))
    if pictures < PICTURES or code > CODE:
        faults.append(f"{pictures:.0%} with a picture, {code:.0%} with code")
    for number, slide in enumerate(lecture, start=1):
        if slide["words"] > MOST_WORDS:
            faults.append(f"slide {number} ({slide['first']}): {slide['words']} words")
        if number > 1 and not 3 <= len(slide["headline"].split()) <= 16:
            faults.append(f"slide {number} ({slide['first']}): the headline is no sentence")
    return faults


def test_a_lecture_within_its_bounds_has_no_fault_and_each_bound_is_felt():
    good = {"first": "A", "words": 60, "headline": "It is so", "appendix": False}
    good = [good | {"picture": n % 3 == 0, "code": n % 4 == 1} for n in range(65)]
    end = [{"appendix": True}]
    assert faults_of_lecture([*good, *end, *end]) == []
    for wrong in (
        good,
        [*good, good[0], *end],
        [*[slide | {"picture": False} for slide in good], *end],
        [*[slide | {"code": True} for slide in good], *end],
        [*good[1:], good[0] | {"words": 61}, *end],
        [*good[1:], good[0] | {"headline": "Topic"}, *end],
    ):
        assert len(faults_of_lecture(wrong)) == 1


@first_deck
def test_the_measure_finds(deck):
    assert deck.evaluate("Reveal.slide(0, 0)") is None
    fine = deck.evaluate(MEASURE, SMALLEST)
    assert fine["faults"] == []
    for harm, complaint in (
        ("<div style='width: 1300px'>wide</div>", "over the side: wide"),
        ("<pre style='overflow: hidden'>" + "x" * 200 + "</pre>", "over the side: xxx"),
        ("<p style='margin-top: 700px'>low</p>", "over the end"),
        ("<p style='font-size: 13px'>tiny</p>", "text of 13 px: tiny"),
        ("<p>raw $x_i$</p>", "formula not set: raw"),
        ("<img src='data:image/png;base64,AAAA' alt='broken'>", "picture without"),
        ("<mjx-container data-mjx-error='no'>bad</mjx-container>", "formula in error: bad"),
    ):
        put = "harm => Reveal.getCurrentSlide().insertAdjacentHTML('beforeend', harm)"
        deck.evaluate(put, harm)
        deck.wait_for_timeout(100)
        assert complaint in "\n".join(deck.evaluate(MEASURE, SMALLEST)["faults"])
        deck.evaluate("Reveal.getCurrentSlide().lastElementChild.remove()")
    deck.evaluate(put, "<p>four <b>more</b> words, here</p><p><code>x</code> $ - <i>not</i></p>")
    assert deck.evaluate(MEASURE, SMALLEST)["words"] == fine["words"] + 6
    deck.evaluate("for (const _ of 'ab') Reveal.getCurrentSlide().lastElementChild.remove()")


@loads(*[(path, "print") for path in NOTEBOOKS])  # all slides at once
def test_every_text_stands_out_from_its_ground(deck):
    faults = contrast_faults(deck)
    assert not faults, "\n" + "\n".join(faults)
    deck.evaluate("document.querySelector('section h2').style.color = '#aaa'")
    assert contrast_faults(deck)


@once
def test_views_are_alive_on_their_slides_and_arrows_stay_in_them(deck):
    seen = 0
    for _ in each_slide(deck):
        if deck.locator("section.present:not(.stack)").locator(VIEWS).count():
            before = deck.evaluate("Reveal.getIndices()")  # the address follows it late
            move_view(deck.locator("section.present:not(.stack)"), deck)
            assert deck.evaluate("Reveal.getIndices()") == before
            seen += 1
    assert seen >= sum(map(stores_view, nbformat.read(deck.path, as_version=4).cells))


@first_deck
def test_space_opens_an_answer_and_turns_no_page(deck):
    answer = deck.locator("section.present:not(.stack) details").first
    for _ in each_slide(deck):
        if answer.count():
            break
    before = deck.url
    answer.locator("summary").focus()
    deck.keyboard.press("Space")
    assert answer.evaluate("answer => answer.open")
    assert deck.url == before


@first_deck
def test_a_deck_begins_with_its_title_and_counts_its_slides(deck):
    deck.evaluate("Reveal.slide(0, 0)")
    assert deck.locator("section.title.present h1").inner_text() == deck.title()
    total = deck.evaluate("Reveal.getTotalSlides()")
    assert deck.locator(".slide-number").inner_text().replace("\n", " ") == f"1 / {total}"
    assert deck.locator(".progress").is_visible()


@first_deck
def test_the_speaker_view_shows_the_notes(deck):
    for _ in each_slide(deck):
        if deck.locator("section.present:not(.stack) aside.notes").count():
            break
    with deck.expect_popup() as opened:
        deck.keyboard.press("s")
    speaker = opened.value
    speaker.wait_for_selector(".speaker-controls-notes:not(.hidden)")
    expected = deck.locator("section.present:not(.stack) aside.notes").text_content().split()[:5]
    assert speaker.locator(".speaker-controls-notes .value").text_content().split()[:5] == expected
