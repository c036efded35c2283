"""What the notebooks run under in CI: tests/offline on PYTHONPATH closes the way out."""

import os
import socket
import subprocess
import sys
from pathlib import Path

OFFLINE = Path(__file__).parent / "offline"


def python(code):
    environment = os.environ | {"PYTHONPATH": str(OFFLINE)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


def test_no_address_but_this_machines_own_is_reached():
    for code in (
        "import urllib.request; urllib.request.urlopen('http://example.org', timeout=5)",
        "import socket; socket.create_connection(('203.0.113.1', 80), timeout=5)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.1', 9))",
    ):
        done = python(code)
        assert done.returncode and "this run is offline" in done.stderr, code


def test_this_machine_itself_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            done = python(f"import socket; socket.create_connection(({host!r}, {port}), timeout=5)")
            assert done.returncode == 0, done.stderr


def test_make_runs_the_notebooks_under_it():
    makefile = (OFFLINE.parents[1] / "Makefile").read_text()
    assert "PYTHONPATH=tests/offline $(IN_VENV) -m pytest --nbval" in makefile
