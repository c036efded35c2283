"""Run notebooks and store what they put out: python -m tools.store NOTEBOOK ...

Each is run from top to bottom, without progress bars, and its file is written only if every cell
ran and none wrote to stderr.  Times and the state of widgets are not stored, for they say nothing
without the kernel; of a widget there stays the page that stands for it (d2lmini.views.typed).
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

WIDGET = "application/vnd.jupyter.widget-view+json"


def store(path: Path) -> list[str]:
    """Run the notebook and write its file; return what is wrong, and then nothing is written."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        resources={"metadata": {"path": str(path.parent)}},
        timeout=None,
        coalesce_streams=True,  # what is printed in one go or two is stored alike
        record_timing=False,
        store_widget_state=False,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return [str(error)]
    faults = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop(WIDGET, None) and "text/html" not in data:
                faults.append(f"a widget without a page that stands for it: {cell.source[:80]!r}")
            if output.get("name") == "stderr":
                faults.append(f"stderr: {output.text[:300]!r}")
    if not faults:
        nbformat.write(notebook, path)
    return faults


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__)
        return 2
    os.environ["TQDM_DISABLE"] = "1"  # for the kernels
    wrong = False
    for path in map(Path, arguments):
        faults = store(path)
        wrong |= bool(faults)
        print(f"{path}: {'not stored' if faults else 'stored'}", *faults, sep="\n  ")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
