import base64
import io
import itertools
import re

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image

from d2lmini import plot


@pytest.fixture
def shown(monkeypatch):
    """What plot displays: a list of {type: text}."""
    outputs = []
    monkeypatch.setattr(plot, "display", lambda data, raw: outputs.append(data))
    yield outputs
    assert not plt.get_fignums(), "a shown figure must be closed, or Jupyter draws it twice"


def picture(page):
    address = re.search(r'src="data:image/png;base64,([^"]+)"', page)[1]
    return Image.open(io.BytesIO(base64.b64decode(address)))


def test_a_figure_carries_its_caption_and_its_alt_text(shown):
    plot.show(plt.figure().subplots(), caption='a < b & "c"', alt='a "flat" line')
    page = shown[0]["text/html"]
    assert "<figcaption>a &lt; b &amp; &quot;c&quot;</figcaption>" in page
    assert 'alt="a &quot;flat&quot; line"' in page
    assert shown[0]["text/plain"] == 'a < b & "c" [a "flat" line]'


@pytest.mark.parametrize("words", [{"caption": "", "alt": "x"}, {"caption": "x", "alt": " "}])
def test_a_figure_without_words_is_refused(words):
    with pytest.raises(ValueError, match="caption and an alt text"):
        plot.show(plt.figure().subplots(), **words)
    plt.close("all")


def test_axes_lists_arrays_and_figures_are_shown_alike(shown):
    figure, axes = plt.subplots(2, 2)
    assert all(
        plot.figure_of(x) is figure for x in (figure, axes, axes[0], list(axes[0]), axes[0, 0])
    )
    plot.show(axes, caption="c", alt="a")


def test_the_ground_is_white_and_opaque_for_dark_themes(shown):
    plot.show(plt.figure(facecolor="none").subplots(), caption="c", alt="a")
    assert picture(shown[0]["text/html"]).convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_heat_maps_share_one_scale():
    """A weight of 0.2 has one colour, whatever else its panel holds."""
    weak, strong = torch.full((2, 3), 0.2), torch.tensor([[0.2, 1.0, 0.0]] * 2)
    images = [plot.heatmap(weights).images[0] for weights in (weak, strong)]
    colours = [image.to_rgba(image.get_array())[0, 0].tolist() for image in images]
    assert colours[0] == colours[1]
    plt.close("all")


def test_without_vmax_the_largest_weight_is_brightest_and_the_bar_says_so(monkeypatch):
    figures = []
    monkeypatch.setattr(plot, "show", lambda axes, **words: figures.append(plot.figure_of(axes)))
    plot.show_heatmaps(torch.tensor([[[[0.1, 0.25]]]]), vmax=None, caption="c", alt="a")
    *panels, bar = figures[0].axes
    assert panels[0].images[0].get_clim() == (0, 0.25) and "0.25" in bar.get_ylabel()
    plt.close("all")


def test_tokens_stand_on_both_axes():
    ax = plot.heatmap(torch.rand(2, 3), queries=["the", "cat"], keys=["le", "chat", "noir"])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["le", "chat", "noir"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["the", "cat"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("keys (attended to)", "queries (attending)")
    plt.close("all")


def test_a_token_with_dollars_is_no_formula():
    ax = plot.heatmap(torch.rand(2, 2), queries=["$$", "$x$"], keys=["$5", "a_$b$"])
    plot.png_address(ax.figure)  # "$$" alone would raise
    assert not any(t.get_parse_math() for t in (*ax.get_xticklabels(), *ax.get_yticklabels()))
    plt.close("all")


@pytest.fixture
def bundled_fonts(monkeypatch):
    """A machine that has matplotlib's own fonts alone."""
    own = [f for f in plot.fontManager.ttflist if f.fname.startswith(matplotlib.get_data_path())]
    monkeypatch.setattr(plot.fontManager, "ttflist", own)
    plot.fonts_for.cache_clear()
    yield
    plot.fonts_for.cache_clear()
    plt.close("all")


def test_a_letter_that_the_font_lacks_comes_from_another_font(bundled_fonts, recwarn):
    ax = plot.heatmap(torch.rand(2, 1), queries=["dog", "ᴥ"], title="ʕ•ᴥ•ʔ")
    plot.png_address(ax.figure)
    fonts = ax.get_yticklabels()[1].get_fontfamily()
    assert fonts == [*plt.rcParams["font.family"], "DejaVu Serif"]
    assert not recwarn


def test_letters_that_no_font_has_are_named_in_one_warning(bundled_fonts, recwarn):
    ax = plot.heatmap(torch.rand(2, 3), queries=["中国", "狗"], keys=["the", "dog", "."])
    plot.png_address(ax.figure)
    (warning,) = recwarn
    assert "no installed font has 中国狗" in str(warning.message)


def test_a_grid_has_a_row_of_titles(shown):
    plot.show_heatmaps(
        torch.rand(2, 3, 4, 5), titles=["a", "b", "c"], caption="six maps", alt="noise"
    )
    assert picture(shown[0]["text/html"]).width > 800


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((2, 3), {}, "(2, 3)"),
        ((1, 1, 2, 3), {"queries": ["a"]}, "(2, 3) do not fit 1 queries"),
        ((1, 1, 2, 3), {"keys": list("abcd")}, "(2, 3) do not fit 4 keys"),
        ((1, 2, 2, 3), {"titles": ["one"]}, "2 columns need 2 titles, got 1"),
        ((1, 0, 2, 3), {}, "(1, 0, 2, 3)"),
    ],
)
def test_what_does_not_fit_is_named_with_its_shape(shape, options, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        plot.show_heatmaps(torch.rand(shape), caption="c", alt="a", **options)
    plt.close("all")


def test_a_curve_names_its_lines_and_refuses_a_line_of_another_length():
    x = torch.arange(5)
    ax = plot.curve(x, {"square": x**2, "root": x**0.5}, points=(x, x), xlabel="x", ylabel="y")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["data", "square", "root"]
    with pytest.raises(ValueError, match=r"line 'short' has shape \(3,\), x has \(5,\)"):
        plot.curve(x, {"short": x[:3]}, xlabel="x", ylabel="y")
    plt.close("all")


def test_the_colours_of_lines_differ_in_grey_too():
    """Rounded luminance of neighbouring lines, for print and for the colour-blind."""
    with plt.style.context("d2lmini.course"):
        colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        dashes = plt.rcParams["axes.prop_cycle"].by_key()["linestyle"]
    light = [
        sum(w * int(c.lstrip("#")[i : i + 2], 16) for w, i in ((0.3, 0), (0.59, 2), (0.11, 4)))
        for c in colours
    ]
    assert all(abs(a - b) > 12 for a, b in itertools.pairwise(light))
    assert len(set(map(str, dashes))) == len(dashes)
