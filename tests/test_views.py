import json
import re

import matplotlib.pyplot as plt
import pytest

from d2lmini import views


@pytest.fixture
def page(monkeypatch):
    outputs = []
    monkeypatch.setattr(views, "display", lambda data, raw: outputs.append(data))

    def draw(value):
        ax = plt.figure(figsize=(2, 1)).subplots()
        ax.barh(["a"], [value])
        return ax

    views.slider(
        [0, 0.5, 1],
        draw,
        label="β",
        caption="a bar",
        alt=lambda value: f"a bar of {value} </script> & more",
        start=1,
    )
    assert not plt.get_fignums()
    return outputs[0]["text/html"]


def carried(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])


def test_every_frame_is_carried_and_no_text_can_end_the_script(page):
    data = carried(page)
    assert [frame["value"] for frame in data["frames"]] == ["0", "0.5", "1"]
    assert data["frames"][2]["alt"] == "a bar of 1 </script> & more"
    assert len({frame["src"] for frame in data["frames"]}) == 3


def test_without_scripts_the_start_is_shown_with_its_words(page):
    bare = re.sub(r"<script.*</script>", "", page, flags=re.S)
    assert carried(page)["frames"][1]["src"] in bare
    assert 'alt="a bar of 0.5 &lt;/script&gt; &amp; more"' in bare
    assert "<figcaption>a bar</figcaption>" in bare
    assert "<input" not in bare  # a slider that does nothing is worse than none


def test_a_view_asks_for_nothing_outside(page):
    assert not re.search(r"https?://|//[a-z]+\.[a-z]", page)


def test_a_start_that_is_none_of_the_positions_is_refused():
    with pytest.raises(ValueError, match="start=3 is not one of the 3 positions"):
        views.slider([1, 2, 3], None, label="x", caption="c", alt=str, start=3)
