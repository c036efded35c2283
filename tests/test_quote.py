import nbformat
import pytest

from tools import quote

MODULE = '''"""A module."""


def small(x):
    """One line."""
    return x


@decorated
class Large:
    """First line.

    More, with shapes.
    """

    def forward(self, x):
        """(batch, d)
        -> (batch,)"""
        # why
        return x

    def last(self):
        return """not a
docstring"""
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "d2lmini").mkdir()
    (tmp_path / "d2lmini" / "shapes.py").write_text(MODULE)
    (tmp_path / "d2lmini" / "world").mkdir()
    (tmp_path / "d2lmini" / "world" / "__init__.py").write_text("def draw():\n    return 0\n")
    (tmp_path / "d2lmini" / "world" / "scenes.py").write_text(MODULE)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(quote, "ROOT", tmp_path)
    monkeypatch.setattr(quote.quote, "__defaults__", (tmp_path,))
    return tmp_path


def test_a_function_is_quoted_as_it_stands(root):
    assert quote.quote("shapes.small") == 'def small(x):\n    """One line."""\n    return x'


def test_docstrings_are_cut_to_their_first_line_and_nothing_else_is(root):
    assert (
        quote.quote("shapes.Large")
        == '''@decorated
class Large:
    """First line."""

    def forward(self, x):
        """(batch, d)"""
        # why
        return x

    def last(self):
        return """not a
docstring"""'''
    )


def test_one_method_is_quoted_without_its_indentation(root):
    assert quote.quote("shapes.Large.forward").startswith("def forward(self, x):\n    ")


def test_modules_inside_a_folder_and_the_folder_itself_are_quoted(root):
    assert quote.quote("world.scenes.Large.forward") == quote.quote("shapes.Large.forward")
    assert quote.quote("world.draw") == "def draw():\n    return 0"
    assert quote.quote("microworld.scenes.World", quote.Path(quote.__file__).parents[1])


@pytest.mark.parametrize(
    "target",
    [
        *("shapes.Absent", "absent.small", "shapes", "shapes.Large.no"),
        *("world", "world.scenes", "world.scenes.Absent", "world.absent.small"),
    ],
)
def test_a_target_that_is_not_there_is_named(root, target):
    with pytest.raises(LookupError, match=target):
        quote.quote(target)


def test_filling_in_changes_the_stale_cell_alone_and_checking_changes_nothing(root, capsys):
    path = root / "notebooks" / "01_x.ipynb"
    tagged = nbformat.v4.new_code_cell("stale", metadata={"tags": ["quote:shapes.small"]})
    other = nbformat.v4.new_code_cell("1 + 1", execution_count=2)
    nbformat.write(nbformat.v4.new_notebook(cells=[tagged, other]), path)
    before = path.read_text()
    assert quote.main(["--check"]) == 1 and path.read_text() == before
    assert "01_x.ipynb: shapes.small is stale" in capsys.readouterr().out
    assert quote.main([]) == 0 and quote.main(["--check"]) == 0
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].source.startswith("def small") and cells[0].id == tagged.id
    assert cells[1] == other
