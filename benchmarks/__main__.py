"""`python -m benchmarks [SECTION…] [--quick] [--write]`: measures every figure of docs/benchmarks.md; both sides of a ratio in one run."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Final

from benchmarks.report import Figures, machine, write

#: Name on the command line and in docs/benchmarks.md → module.
SECTIONS: Final = {
    "client": "client.compare",
    "main": "intents",
    "others": "compared.others",
    "backlog": "compared.backlog",
    "redis": "compared.redis_cost",
    "workers": "compared.workers",
    "pools": "compared.pools",
    "personal": "jobs.personal",
    "shared": "jobs.shared",
    "growth": "jobs.growth",
    "kills": "jobs.kills",
    "beside": "jobs.beside",
    "bad": "jobs.bad",
    "outbox": "databases.outbox",
    "history": "databases.history",
    "ending": "databases.ending",
    "staying": "databases.staying",
    "http": "compared.http",
    "pages": "compared.pages",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS='…'", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"sections to run: {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="use about a tenth of the messages, to check that it runs")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/benchmarks.md")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"unknown section: {', '.join(sorted(unknown))}; use {', '.join(SECTIONS)}")
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
