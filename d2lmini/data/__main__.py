"""List the real data sets, or fetch some: python -m d2lmini.data [fetch NAME ...]"""

import argparse
import sys

from d2lmini.data.fetch import COMMAND, fetch
from d2lmini.data.manifest import DataUnavailable, inventory, known_sets

parser = argparse.ArgumentParser(prog="python -m d2lmini.data", description=__doc__)
commands = parser.add_subparsers(dest="command")
getter = commands.add_parser("fetch", help="download into the cache folder")
getter.add_argument("names", nargs="+", metavar="NAME", help=", ".join(known_sets()))
given = parser.parse_args()
if given.command is None:
    print(f"{inventory()}\n\nFetch what is missing: {COMMAND} NAME")
else:
    try:
        for name in given.names:
            fetch(name)
    except (DataUnavailable, ValueError) as error:
        sys.exit(str(error))
