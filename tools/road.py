"""Draw the road of the course, notebooks/img/road.png: python -m tools.road"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from d2lmini.attention import causal_mask

TARGET = Path(__file__).resolve().parents[1] / "notebooks" / "img" / "road.png"

POINTS = torch.linspace(0, 1, 12)
BAND = (-((POINTS[:, None] - POINTS) ** 2) / (2 * 0.15**2)).softmax(dim=-1)
BAND = BAND / BAND.max()
HIDDEN = (3, 8)  # the words that BERT must guess

STATIONS = [  # year, name, notebooks, which keys a query may attend to, what is new
    ("1964", "Kernel regression", "01 · 02", BAND, "near points\ncount more"),
    ("2014", "Bahdanau", "03", torch.ones(8, 12), "each word written\nlooks at all words read"),
    ("2017", "Transformer", "04 · 05 · 06", causal_mask(12), "words look at words,\nno recurrence"),
    (
        "2018",
        "BERT",
        "07 · 08 · 09",
        torch.ones(12, 12),
        "learn from raw text\nby guessing hidden words",
    ),
    ("2018 →", "Fine-tuning", "10 · 11 · 12", torch.ones(1, 12), "one small head,\nmany tasks"),
]


def draw():
    with plt.style.context(["d2lmini.course", {"font.size": 12}]):
        figure, axes = plt.subplots(1, len(STATIONS), figsize=(12, 4.4))
    figure.get_layout_engine().set(rect=(0, 0.13, 1, 0.87), wspace=0.06)
    for ax, (year, name, notebooks, allowed, new) in zip(axes, STATIONS, strict=True):
        grid = {"cmap": "Blues", "vmin": 0, "vmax": 1.5, "edgecolors": "white", "linewidth": 1.5}
        ax.pcolormesh(allowed, **grid)
        for word in HIDDEN if name == "BERT" else ():
            for place in ((word + 0.5, 0.5), (0.5, word + 0.5)):
                ax.text(*place, "?", ha="center", va="center", color="white", fontweight="bold")
        ax.set(xlim=(0, 12), ylim=(12, 0), xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
        ax.set_title(f"{year}\n{name}", fontweight="bold")
        ax.set_xlabel(f"{new}\n\nnotebooks {notebooks}")
    axes[0].set_ylabel("queries")
    formula = r"output = softmax(score(queries,\ keys))\ values"
    figure.text(0.5, 0.05, rf"always:   $\mathrm{{{formula}}}$", ha="center", fontsize=15)
    return figure


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    draw().savefig(TARGET, dpi=110, facecolor="white")
    print(TARGET.relative_to(Path.cwd()))
