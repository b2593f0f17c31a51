"""
The console script `wooshq`, also as `python -m wooshq_worker`. It is always installed, so it says what to install if the extra `worker` is
missing.
"""

from __future__ import annotations

import gc
import os
import sys

#: Modules that the command line and a worker need and a web app does not: the extra `worker`.
OF_THE_EXTRA = frozenset(
    {"aiohappyeyeballs", "certifi", "httptools", "httpx", "prometheus_client", "rich", "sentry_sdk", "structlog", "tenacity", "typer"}
)


def main() -> None:
    """Run the command line. If a package is missing, say in one sentence what to install (exit status 2)."""
    _open_what_is_closed()
    if sys.argv[1:2] == ["health"]:
        from wooshq_worker.process.health.ask import quick

        if (status := quick(sys.argv[2:])) is not None:
            sys.exit(status)
    try:
        # Nothing that an import makes is garbage; without this, a tenth of the start would go into looking for some.
        gc.disable()
        from wooshq_worker.cli import main as run

        gc.freeze()
        gc.enable()
        run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in OF_THE_EXTRA:
            raise
        sys.stderr.write(
            f"The package {missing} is missing. To use the command line, run in a checkout of wooshq: pip install '.[worker]'\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:  # during the import
        sys.exit(130)


def _open_what_is_closed() -> None:
    """
    Lead a standard stream that the caller closed (`>&-`) to /dev/null. Otherwise the next file or connection gets its number, and whatever
    writes to standard output writes into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, so this one. `dup2` lets child processes have it.
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            stream = os.fdopen(number, mode, closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # Celery uses it


if __name__ == "__main__":
    main()
