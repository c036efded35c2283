"""The head explorer: attention weights by layer, head and word, chosen without a kernel.

It carries all weights and one small script, and nothing from outside.  Where scripts do not run
(an untrusted notebook, a PDF) a picture of the first choice and the caption remain.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from torch import Tensor

from d2lmini.plot import heatmap, image_tag, png_address
from d2lmini.views import figure_page, text_field

SCRIPT = Path(__file__).with_suffix(".js")


class HeadWeights(NamedTuple):
    """The attention weights of all heads of one kind, and the tokens that they are between."""

    queries: Sequence[str]
    keys: Sequence[str]
    weights: Tensor  # (layers, heads, queries, keys)


def explore_heads(
    examples: dict[str, dict[str, HeadWeights]],
    *,
    caption: str,
    alt: str,
    layer: int = 0,
    head: int = 0,
) -> None:
    """Display menus for sentence, attention, layer, head and word; lines between words; a matrix.

    examples: {sentence: {name of the attention: HeadWeights}}, such as {"A dog sleeps .":
    {"encoder": ..., "cross": ...}}; every sentence with the same attentions, layers and heads.
    layer, head: shown first, counted from 0.  Weights are stored with two decimals: a model of 4
    layers and 4 heads costs about 30 KB for a sentence of 12 words.
    Raises ValueError, naming sentence and attention, if weights and words do not fit.
    """
    page = page_of(examples, caption=caption, alt=alt, layer=layer, head=head)
    display({"text/html": page, "text/plain": f"{caption} [{alt}]"}, raw=True)


def type_heads(
    heads_of: Callable[[str], dict[str, HeadWeights]],
    *,
    label: str,
    value: str,
    caption: str,
    alt: str,
    layer: int = 0,
    head: int = 0,
) -> None:
    """The same for a text that is typed: heads_of(text) gives {name of the attention: HeadWeights}.

    It needs a kernel; without one the heads of `value` remain.  If heads_of raises ValueError, the
    error is shown as one line.  See d2lmini.views.typed.
    """

    def page(text):
        return page_of({text: heads_of(text)}, caption=caption, alt=alt, layer=layer, head=head)

    text_field(page, label=label, value=value, text=f"{caption} [{alt}]")


def page_of(examples, *, caption, alt, layer=0, head=0) -> str:
    """The page that explore_heads displays."""
    if not examples or len({tuple(kinds) for kinds in examples.values()}) > 1:
        raise ValueError("explore_heads needs sentences that all have the same attentions")
    carried = [
        {
            "name": sentence,
            "kinds": [packed(sentence, kind, heads) for kind, heads in kinds.items()],
        }
        for sentence, kinds in examples.items()
    ]
    first = next(iter(next(iter(examples.values())).values()))
    ax = heatmap(first.weights[layer, head], queries=first.queries, keys=first.keys)
    ax.set_title(f"layer {layer + 1}, head {head + 1}")
    image = image_tag(ax.figure, png_address(ax.figure, dpi=100), alt)
    plt.close(ax.figure)
    data = {"examples": carried, "layer": layer, "head": head}
    return figure_page("d2l-heads", image, caption, data, SCRIPT.read_text(encoding="utf-8"))


def packed(sentence: str, kind: str, heads: HeadWeights) -> dict:
    """What the script reads: the weights in hundredths, as plain lists."""
    weights = torch.as_tensor(heads.weights).detach().cpu()
    if weights.ndim != 4 or weights.shape[2:] != (len(heads.queries), len(heads.keys)):
        raise ValueError(
            f"{kind!r} of {sentence!r}: weights {tuple(weights.shape)} do not fit (layers, heads, "
            f"{len(heads.queries)} queries, {len(heads.keys)} keys)"
        )
    hundredths = (weights * 100).round().to(torch.int).tolist()
    return {"kind": kind, "queries": [*heads.queries], "keys": [*heads.keys], "weights": hundredths}
