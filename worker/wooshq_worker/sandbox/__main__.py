"""`python -m wooshq_worker.sandbox`: runs the sandbox, prints its URL on one line, ends with Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import sys

from wooshq_worker.sandbox.call_log import RECORDINGS
from wooshq_worker.sandbox.server import run_sandbox
from wooshq_worker.sandbox.stand_in import DEFAULT_TOKEN, is_loopback


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 stopped by a signal, 2 used wrongly, 3 could not listen."""
    parser = argparse.ArgumentParser(
        prog="python -m wooshq_worker.sandbox",
        description="A strict stand-in for the Pushwoosh Messaging API v2, which fails on demand.",
        epilog="Example: python -m wooshq_worker.sandbox --port 0 --token demo --latency-ms 50",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; other addresses than loopback need --allow-other-hosts (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: any free port (default: %(default)s)")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the valid token (default: %(default)s)")
    parser.add_argument("--any-token", action="store_true", help="accept every token")
    parser.add_argument("--seed", type=int, default=0, help="seed for message codes and random faults (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="delay of every answer, in ms (default: %(default)s)")
    parser.add_argument("--bare", action="store_true", help="answer a success without the `result` around it")
    parser.add_argument(
        "--record",
        choices=RECORDINGS,
        default="all",
        help="all: calls with bodies; light: calls without bodies and recipients; none: only counts (default: %(default)s)",
    )
    parser.add_argument("--lean", action="store_true", help="for benchmarks: check only the token, only count, no faults")
    parser.add_argument("--allow-other-hosts", action="store_true", help="also listen on addresses that other machines can reach")
    given = parser.parse_args(arguments)
    if not given.allow_other_hosts and not is_loopback(given.host):
        parser.error(
            f"argument --host: {given.host} is not loopback. Add --allow-other-hosts to let other machines use and control the sandbox"
        )
    if given.latency_ms < 0:
        parser.error("argument --latency-ms: must be 0 or more")
    try:
        run_sandbox(
            given.host,
            given.port,
            token=None if given.any_token else given.token,
            seed=given.seed,
            latency_ms=given.latency_ms,
            bare=given.bare,
            record=given.record,
            lean=given.lean,
            allow_other_hosts=given.allow_other_hosts,
        )
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"cannot listen on {given.host}:{given.port}: {error.strerror or error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
