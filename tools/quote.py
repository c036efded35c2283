"""Fill the notebooks' quoted cells from the package: python -m tools.quote [--check]

A code cell tagged quote:attention.MultiHeadAttention (or …MultiHeadAttention.forward, or
microworld.scenes.World) shows that class, function or method of d2lmini, its docstrings cut to
their first line.  The package is the source; edits in such a cell are overwritten.  --check changes
nothing and fails if one is stale.
"""

import ast
import sys
import textwrap
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
KINDS = (ast.ClassDef, ast.FunctionDef)


def quote(target: str, root: Path = ROOT) -> str:
    """The source of "module.Name" or "package.module.Class.method" in d2lmini, docstrings cut.

    Raises LookupError if there is no such module or definition.
    """
    module, *names = target.split(".")
    path = root / "d2lmini" / module
    while names and (path / f"{names[0]}.py").is_file():
        path /= names.pop(0)
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    file = path.relative_to(root)
    if not names or not path.is_file():
        raise LookupError(f"quote:{target}: there is no {file}, or no name is given")
    text = path.read_text(encoding="utf-8")
    node = ast.parse(text)
    for name in names:
        found = [n for n in node.body if isinstance(n, KINDS) and n.name == name]
        if not found:
            raise LookupError(f"quote:{target}: {file} does not define {name}")
        node = found[0]
    lines = text.splitlines()
    for inner in ast.walk(node):
        if isinstance(inner, KINDS) and ast.get_docstring(inner):
            start, end = inner.body[0].lineno, inner.body[0].end_lineno
            if end > start:  # lines that are cut become None
                lines[start - 1] = lines[start - 1].rstrip() + '"""'
                lines[start:end] = [None] * (end - start)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    kept = [line for line in lines[first - 1 : node.end_lineno] if line is not None]
    return textwrap.dedent("\n".join(kept))


def quoted_cells(notebook):
    """(cell, target) for each cell with a quote: tag."""
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith("quote:"):
                yield cell, tag.removeprefix("quote:")


def refresh(path: Path, *, write: bool) -> list[str]:
    """The targets of the notebook's stale cells; with write they are filled in."""
    notebook = nbformat.read(path, as_version=4)
    stale = []
    for cell, target in quoted_cells(notebook):
        source = quote(target)
        if cell.source != source:
            stale.append(target)
            cell.source = source
    if stale and write:
        nbformat.write(notebook, path)
    return stale


def main(arguments: list[str]) -> int:
    checking = arguments == ["--check"]
    if arguments and not checking:
        print(__doc__)
        return 2
    stale = [
        f"{path.name}: {target}"
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        for target in refresh(path, write=not checking)
    ]
    for cell in stale:
        print(cell, "is stale: run python -m tools.quote" if checking else "filled in")
    return int(checking and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
