"""`python -m benchmarks [SECTION…] [--quick] [--write]`: every figure of docs/benchmarks.md, ratios measured side by side in one run."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Final

from benchmarks.report import Figures, machine, write

SECTIONS: Final = {
    "main": "main_job",
    "pools": "pools",
    "personal": "bulk.personal",
    "shared": "bulk.installation",
    "growth": "bulk.growth",
    "kills": "bulk.kills",
    "beside": "bulk.beside",
    "bad": "bulk.bad",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS='…'", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; all of them where none is named")
    parser.add_argument("--quick", action="store_true", help="a tenth of the numbers, to see that it runs")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    print(machine(), file=sys.stderr)
    for name in given.sections or SECTIONS:
        module = importlib.import_module(f"benchmarks.{SECTIONS[name]}")
        print(f"\n{name}: {(module.__doc__ or '').strip().splitlines()[0]}", file=sys.stderr, flush=True)
        figures = Figures(name)
        module.run(figures, quick=given.quick)
        if given.write:
            write(figures, command=f"make bench ARGS={name!r}" if not given.quick else f"make bench ARGS='{name} --quick'")


if __name__ == "__main__":
    main()
