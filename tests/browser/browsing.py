"""What the browser tests share."""

from playwright.sync_api import expect

MINUTE = 60_000  # milliseconds, as playwright counts


def is_view(cell):
    return "view" in cell.metadata.get("tags", [])


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
