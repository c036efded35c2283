"""The code is built as README.md says: what stands where, and which module imports which."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = {  # module: what its row names
    name: set(re.findall(r"\w+", allowed))
    for name, allowed in re.findall(r"^\| `(\w+)(?:\.py|/)` \|.*\|(.*)\|$", README, re.MULTILINE)
}
PACKAGE = sorted((ROOT / "d2lmini").rglob("*.py"))
OTHERS = [
    path for folder in ("recipes", "tools", "benchmarks") for path in ROOT.glob(f"{folder}/*.py")
]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))


def module_of(path):
    """d2lmini/attention.py and d2lmini/data/fetch.py -> attention and data"""
    return path.relative_to(ROOT / "d2lmini").parts[0].removesuffix(".py")


def imports(path):
    """The full names of all that a file imports, inside functions too, such as "torch.nn"."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    else:
        source = path.read_text(encoding="utf-8")
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{name.name}" for name in node.names}
    return names


def reachable(module):
    """The module itself, what its row names, and so on: an arrow may be passed on."""
    return {module}.union(*map(reachable, TABLE[module]))


def test_each_part_of_the_tree_is_there():
    (tree,) = re.findall(r"^```\n(environment\.yml .*?)^```", README, re.MULTILINE | re.DOTALL)
    named = [line.split()[0] for line in tree.splitlines()]
    assert [name for name in named if not (ROOT / name).exists()] == []
    folders = {f"{path.parent.name}/" for path in ROOT.glob("[a-z]*/__init__.py")}
    assert folders <= set(named)


def test_the_table_lists_each_module_and_no_other():
    assert sorted(TABLE) == sorted({module_of(path) for path in PACKAGE} - {"__init__"})


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_the_table_allows_and_has_at_most_350_lines(path):
    allowed = reachable(module_of(path)) if module_of(path) in TABLE else set()
    ours = [name.split(".") for name in imports(path)]
    assert {names[1] for names in ours if names[0] == "d2lmini"} <= allowed
    assert {names[0] for names in ours}.isdisjoint(("recipes", "tools", "benchmarks", "tests"))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_what_is_inside_a_folder_is_imported_in_that_folder_alone():
    rooms = {f"d2lmini.{path.parent.name}.{path.stem}": path.parent for path in PACKAGE}
    for path in (*PACKAGE, *OTHERS, *NOTEBOOKS):
        for name in imports(path) - {"d2lmini.microworld.stories"}:  # the function of that name
            room = rooms.get(".".join(name.split(".")[:3]))
            assert room in (None, path.parent), f"{path} imports {name}"


@pytest.mark.parametrize(("library", "room"), [("torchtext", "vocabulary"), ("spacy", "text")])
def test_torchtext_and_spacy_are_imported_in_one_module_each(library, room):
    found = {
        path for path in (*PACKAGE, *OTHERS) for name in imports(path) if re.match(library, name)
    }
    assert found == {ROOT / f"d2lmini/{room}.py"}


def test_recipes_import_neither_benchmarks_nor_tools():
    for path in OTHERS:
        if path.parent.name == "recipes":
            tops = {name.split(".")[0] for name in imports(path)}
            assert tops.isdisjoint(("tools", "benchmarks", "tests")), path
