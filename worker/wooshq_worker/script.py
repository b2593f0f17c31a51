"""The console script `wooshq`. It is installed with the package, and so must say what is missing where only a web app's part was."""

from __future__ import annotations

import sys

#: What a worker and the command line need beside what a web app needs: the extra `worker`.
_OF_THE_EXTRA = frozenset({"aiohttp", "certifi", "httpx", "httpx_aiohttp", "rich", "sentry_sdk", "structlog", "tenacity", "typer"})


def main() -> None:
    """Run the command line, or say in one sentence what to install."""
    try:
        from wooshq_worker.cli import main as run

        run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(f"The command line needs pip install 'wooshq[worker]' (there is no {missing} here).\n")
        sys.exit(2)
    except KeyboardInterrupt:  # while it was still importing
        sys.exit(130)
