"""Interactive views: a slider, which works without a kernel, and a text field, which needs one.

A slider embeds all its frames and one small script, and loads nothing, so that it works in
JupyterLab, in exported pages and on slides.  Where scripts do not run (an untrusted notebook, a
PDF), or no kernel answers the text field, the first picture and the caption remain.
"""

import html
import json
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from IPython.display import display
from ipywidgets import HTML, Layout, Text, VBox

from d2lmini.plot import FOLDED, figure_of, image_tag, png_address

# Finds every view that is not yet alive, so that copies of an output work too.  Key presses stay
# inside the slider: on a slide the arrows would turn the page.
SCRIPT = """
document.querySelectorAll("figure.d2l-view:not([data-alive])").forEach(function (view) {
  var carried = view.querySelector("script[type='application/json']");
  if (!carried) return;
  view.dataset.alive = "yes";
  var data = JSON.parse(carried.textContent), image = view.querySelector("img");
  var row = document.createElement("label"), slider = document.createElement("input");
  var value = document.createElement("output");
  slider.type = "range"; slider.min = 0; slider.max = data.frames.length - 1; slider.step = 1;
  slider.value = data.start;
  row.style.cssText = "display:flex;gap:0.7em;align-items:center;max-width:" + image.width + "px";
  slider.style.flex = "1";
  value.style.minWidth = "4em";
  function draw() {
    var frame = data.frames[slider.value];
    image.src = frame.src; image.alt = frame.alt; value.textContent = frame.value;
    slider.setAttribute("aria-valuetext", data.label + " = " + frame.value);
  }
  slider.addEventListener("input", draw);
  slider.addEventListener("keydown", function (event) { event.stopPropagation(); });
  row.append(data.label + " =", slider, value);
  view.prepend(row);
  draw();
});
"""


def slider(
    values: Sequence,
    draw: Callable,
    *,
    label: str,
    caption: str,
    alt: Callable[..., str],
    start: int = 0,
) -> None:
    """Display a slider over values that switches between the figures draw(value).

    draw(value) returns a matplotlib axes or figure; all must have one size.
    alt(value) returns the alt text of that frame.
    start: the position shown first, and the only picture where scripts do not run.
    A frame of 6 x 3 inches takes about 15 KB in the notebook: use 20 at most.
    """
    if not 0 <= start < len(values):
        raise ValueError(f"start={start} is not one of the {len(values)} positions")
    frames = []
    for value in values:
        figure = figure_of(draw(value))
        address = png_address(figure, dpi=120)
        frames.append({"value": str(value), "alt": alt(value), "src": address})
        plt.close(figure)
    first = frames[start]
    image = image_tag(figure, first["src"], first["alt"])
    carried = {"label": label, "start": start, "frames": frames}
    page = figure_page("d2l-view", image, caption, carried, SCRIPT)
    text = f"{caption} [{label} = {first['value']}: {first['alt']}]"
    display({"text/html": page, "text/plain": text}, raw=True)


def figure_page(kind: str, image: str, caption: str, carried=None, script: str = "") -> str:
    """A <figure> of class `kind`: image tag, caption, and what its script reads, as JSON."""
    alive = ""
    if script:
        data = json.dumps(carried, ensure_ascii=False)
        data = data.replace("<", r"\u003c")  # no text may open or end markup
        alive = f'<script type="application/json">{data}</script><script>{script}</script>'
    return (
        f'{FOLDED}<figure class="{kind}" style="margin:0.5em 0">{image}'
        f"<figcaption>{html.escape(caption)}</figcaption>{alive}</figure>"
    )


WITHOUT_KERNEL = "In JupyterLab, run this cell to type a text of your own."


def typed(
    draw: Callable,
    *,
    label: str,
    value: str,
    caption: str,
    alt: Callable[[str], str],
) -> None:
    """Display a text field and the figure draw(text); Enter draws the figure of another text.

    For what must be computed anew: it needs a kernel.  Without one the figure of `value` remains,
    which is an output of its own below the field.
    draw(text) returns a matplotlib axes or figure.  If it raises ValueError (before it opens a
    figure), the error is shown as one line, and the last figure stays.
    alt(text) returns the alt text of that figure.
    value: the first text; what draw raises for it is not caught.
    """

    def page(text):
        drawn = figure_of(draw(text))
        image = image_tag(drawn, png_address(drawn, dpi=120), alt(text))
        plt.close(drawn)
        return figure_page("d2l-typed", image, caption)

    text_field(page, label=label, value=value, text=f"{caption} [{alt(value)}]")


def text_field(page: Callable[[str], str], *, label: str, value: str, text: str) -> None:
    """Display a text field over the HTML page(text); Enter makes the page of another text.

    page(text) returns a figure_page, or raises ValueError.
    text: what is shown where there is no HTML.
    """

    def answer(change):
        try:
            figure.update({"text/html": page(change.new), "text/plain": text}, raw=True)
            problem.value = ""
        except ValueError as error:
            problem.value = f'<p role="alert" style="margin:0">{html.escape(str(error))}</p>'

    field = Text(
        value,
        description=label,
        continuous_update=False,  # Enter, or leaving the field, ends the text
        style={"description_width": "initial"},
        layout=Layout(width="100%", max_width="60em"),
    )
    problem, first = HTML(), page(value)
    field.observe(answer, "value")
    instead = {"text/html": f"{FOLDED}<p>{WITHOUT_KERNEL}</p>", "text/plain": WITHOUT_KERNEL}
    display(VBox([field, problem])._repr_mimebundle_() | instead, raw=True)
    figure = display({"text/html": first, "text/plain": text}, raw=True, display_id=True)
