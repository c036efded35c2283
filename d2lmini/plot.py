"""Figures: heat maps and curves, shown with a caption and an alt text.

The notebooks set plt.style.use("d2lmini.course") once; this module changes no settings.
"""

import base64
import functools
import html
import io
import warnings

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image

# The first line of a figure's page is what JupyterLab shows of it where the output is folded.
FOLDED = "<!-- A figure: predict first, then open it. -->\n"


def show(ax, *, caption: str, alt: str) -> None:
    """Display the figure of ax once, with a caption below and its alt text.

    ax: a matplotlib axes, an array or list of them, or a figure.  It is closed afterwards.
    Raises ValueError if caption or alt is empty: a figure without words excludes readers.
    """
    if not caption.strip() or not alt.strip():
        raise ValueError(f"a figure needs a caption and an alt text, got {caption!r} and {alt!r}")
    figure = figure_of(ax)
    image = image_tag(figure, png_address(figure), alt)
    page = (
        f'{FOLDED}<figure style="margin:0.5em 0">{image}'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
    plt.close(figure)
    display({"text/html": page, "text/plain": f"{caption} [{alt}]"}, raw=True)


def figure_of(ax):
    """The figure that an axes, a (nested) list or array of axes, or a figure belongs to."""
    while not hasattr(ax, "savefig"):
        ax = ax.figure if hasattr(ax, "figure") else ax[0]
    return ax


def image_tag(figure, address: str, alt: str) -> str:
    """An <img> as wide as the figure, or as the page where that is narrower."""
    width = round(figure.get_size_inches()[0] * 96)
    return (
        f'<img src="{address}" alt="{html.escape(alt)}" '
        f'width="{width}" style="max-width:100%;height:auto">'
    )


def png_address(figure, *, dpi: int = 144) -> str:
    """The figure as a data: URL, on opaque white so that dark themes keep it readable.

    Letters that its font lacks come from another one; a warning names those that no font has.
    """
    texts = figure.findobj(Text)
    letters = {c for text in texts for c in text.get_text() if c.isprintable()}
    families, missing = fonts_for(frozenset(letters), findfont(FontProperties()))
    for text in texts:
        text.set_family([*text.get_family(), *families])
    if missing:
        what = f"no installed font has {missing}: install one that does, such as Noto Sans CJK"
        warnings.warn(what, stacklevel=3)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # matplotlib warns of each letter
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    small = io.BytesIO()  # 256 colours look the same and take a third of the room
    Image.open(buffer).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


@functools.cache
def fonts_for(letters: frozenset[str], own: str) -> tuple[list[str], str]:
    """Names of installed fonts for what the file `own` lacks, and the letters that none has."""
    files = {f.name: f.fname for f in fontManager.ttflist if "Last Resort" not in f.name}
    found = []
    for name, file in (("", own), *sorted(files.items())):
        lacking = {c for c in letters if not get_font(file).get_char_index(ord(c))}
        if name and lacking != letters:
            found.append(name)
        letters = lacking
        if not letters:
            break
    return found, "".join(sorted(letters))


def heatmap(weights, *, queries=None, keys=None, title="", vmax=1.0, ax=None):
    """Draw attention weights; return the axes.  weights: (queries, keys), from 0 to vmax.

    Without ax it makes a new figure, with labels and a colour bar.
    queries, keys: a string for each row and column; without them the axes count positions.
    Raises ValueError with both shapes if they do not fit.
    """
    weights = torch.as_tensor(weights).detach().cpu().float()
    if weights.ndim != 2:
        raise ValueError(f"weights must be (queries, keys), got {tuple(weights.shape)}")
    for what, names, size in zip(("queries", "keys"), (queries, keys), weights.shape, strict=True):
        if names is not None and len(names) != size:
            raise ValueError(f"weights {tuple(weights.shape)} do not fit {len(names)} {what}")
    alone = ax is None
    ax = plt.figure(figsize=(4, 3.2)).subplots() if alone else ax
    image = ax.imshow(weights.numpy(), cmap="cividis", vmin=0, vmax=vmax, aspect="auto")
    for axis, names in ((ax.xaxis, keys), (ax.yaxis, queries)):
        if names is None:
            axis.set_major_locator(MaxNLocator(5, integer=True))
        else:
            axis.set_ticks(range(len(names)), names, parse_math=False)  # $ is a token, too
    if keys is not None:
        ax.tick_params(axis="x", rotation=90 if max(map(len, keys), default=0) > 2 else 0)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    if alone:
        ax.set(xlabel="keys (attended to)", ylabel="queries (attending)")
        ax.figure.colorbar(image, ax=ax, label="attention weight")
    return ax


def show_heatmaps(
    matrices,
    *,
    queries=None,
    keys=None,
    xlabel="keys (attended to)",
    ylabel="queries (attending)",
    titles=None,
    vmax=1.0,
    caption,
    alt,
):
    """Show a grid of weight matrices on one scale.  matrices: (rows, columns, queries, keys)

    queries, keys: a string for each query and key.  titles: one for each column.
    vmax: the weight of the brightest colour; None takes the largest, shown at the colour bar.
    Raises ValueError, naming the shapes, if matrices are not four-dimensional or names do not fit.
    """
    matrices = torch.as_tensor(matrices).detach().cpu().float()
    if matrices.ndim != 4 or not matrices.numel():
        raise ValueError(
            f"matrices must be (rows, columns, queries, keys), got {tuple(matrices.shape)}"
        )
    rows, columns = matrices.shape[:2]
    if titles is not None and len(titles) != columns:
        raise ValueError(f"{columns} columns need {columns} titles, got {len(titles)}")
    label = "attention weight"
    if vmax is None:
        vmax = matrices.max().item()
        label = f"attention weight (brightest: {vmax:.2g})"
    width = 2.4 if keys is None else 0.7 + 0.35 * len(keys)
    height = 2.2 if queries is None else 0.7 + 0.35 * len(queries)
    margin = 1.3 if queries is None else 1.3 + 0.08 * max(map(len, queries))
    below = 0.5 if keys is None else 0.4 + 0.08 * max(map(len, keys))
    size = (margin + width * columns, below + height * rows)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    for i, row in enumerate(matrices):
        for j, weights in enumerate(row):
            title = titles[j] if titles is not None and i == 0 else ""
            heatmap(weights, queries=queries, keys=keys, title=title, vmax=vmax, ax=axes[i, j])
    figure.supxlabel(xlabel, fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    figure.colorbar(axes[0, 0].images[0], ax=axes, label=label, shrink=0.9)
    show(axes, caption=caption, alt=alt)


def curve(x, lines, *, xlabel, ylabel, title="", points=None, ax=None):
    """Draw named lines over x; return the axes.  lines: {name: one number for each x}

    points: (x, y) of data drawn behind the lines.  Raises ValueError if a line's length differs.
    """
    x = torch.as_tensor(x).detach().cpu()
    ax = ax if ax is not None else plt.figure().subplots()
    if points is not None:
        ax.scatter(
            *[torch.as_tensor(p).detach().cpu() for p in points],
            s=14,
            color="0.6",
            label="data",
        )
    for name, y in lines.items():
        y = torch.as_tensor(y).detach().cpu()
        if y.shape != x.shape:
            raise ValueError(f"line {name!r} has shape {tuple(y.shape)}, x has {tuple(x.shape)}")
        ax.plot(x, y, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend()
    return ax
