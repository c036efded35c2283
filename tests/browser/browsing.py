"""What the browser tests share."""

from playwright.sync_api import expect

from tools.npm import package

AXE = "axe-core@4.10.3"
MINUTE = 60_000  # milliseconds, as playwright counts
VIEWS = "figure.d2l-view, figure.d2l-heads"


def is_view(cell):
    return "view" in cell.metadata.get("tags", [])


def stores_view(cell):
    """Whether a view is in the stored outputs, of a cell tagged view or of one that is typed."""
    pages = "".join(o.get("data", {}).get("text/html", "") for o in cell.get("outputs", []))
    return 'class="d2l-view"' in pages or 'class="d2l-heads"' in pages


def move_view(scope, page):
    """Move the first view with the keyboard, and see that it follows."""
    view = scope.locator(VIEWS).first
    expect(view.locator("input[type=range], select").first).to_be_visible(timeout=MINUTE)
    if "d2l-heads" in view.get_attribute("class"):
        change_head(view, page)
    else:
        move_slider(scope, page)


def change_head(view, page):
    """Choose another head and a word with the keyboard; lines, matrix and words must follow."""
    before = view.locator("svg").first.inner_html(), view.locator("svg").last.inner_html()
    for name in ("head", "word"):
        view.get_by_role("combobox", name=name, exact=True).focus()
        page.keyboard.press("ArrowDown")
    after = view.locator("svg").first.inner_html(), view.locator("svg").last.inner_html()
    assert after[0] != before[0] and after[1] != before[1]
    expect(view.locator("[aria-live]")).to_contain_text("looks at")
    for name in ("head", "word"):
        view.get_by_role("combobox", name=name, exact=True).focus()
        page.keyboard.press("ArrowUp")
    assert view.locator("svg").last.inner_html() == before[1]


def move_slider(scope, page):
    """Move the first slider with the keyboard; the figure and its alt text must follow."""
    slider = scope.locator("figure.d2l-view input[type=range]").first
    image = scope.locator("figure.d2l-view img").first
    expect(slider).to_be_visible(timeout=MINUTE)
    before, words = image.get_attribute("src"), image.get_attribute("alt")
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert image.get_attribute("src") != before
    assert image.get_attribute("alt") != words
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert image.get_attribute("src") == before


def contrast_faults(page):
    """What axe-core finds hard to read in what the page shows, and pictures without words."""
    page.add_script_tag(path=package(AXE) / "axe.min.js")
    found = page.evaluate(
        "axe.run({runOnly: ['color-contrast', 'image-alt'], resultTypes: ['violations'], "
        "selectors: false})"
    )
    return [f"{v['id']}: {node['html'][:99]}" for v in found["violations"] for node in v["nodes"]]
