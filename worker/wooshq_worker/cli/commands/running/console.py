"""`wooshq console`: serve the web console and the HTTP API."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from wooshq.installation.places import or_embedded
from wooshq.settings import load_settings
from wooshq_worker.cli.terminal.help import Command, examples
from wooshq_worker.cli.terminal.out import NOTHING_DONE, USED_WRONGLY, people, say, show

_NEEDS = "The console needs the extra `console`. Run in a checkout of wooshq: pip install '.[console]'"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=Command, epilog=examples("wooshq console", "wooshq console --host 10.0.0.5 --port 8080"))(console)


def console(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on. Other addresses than this machine's own need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on. 0: any free port.")] = 8080,
) -> None:
    """Serve the web console and the HTTP API until SIGTERM or Ctrl-C. Both need a token: see wooshq tokens."""
    try:
        from wooshq_worker.console import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "jinja2", "markupsafe", "starlette", "uvicorn"):
            raise
        say(_NEEDS)
        raise typer.Exit(USED_WRONGLY) from None
    from wooshq_worker.observe.log import set_up

    settings = or_embedded(load_settings())
    fixed = serve.tokens_for(settings, host, tell=_tell if people.is_terminal else None)
    try:
        listening = serve.listen(host, port)
    except OSError as error:
        say(f"The server cannot listen on {host}:{port}: {error.strerror or error}.")
        raise typer.Exit(NOTHING_DONE) from None
    named = [settings.console_token, settings.api_token, *settings.api_tokens.values()]
    set_up(settings.log_level, settings.log_format, {token.get_secret_value() for token in named if token is not None})
    bound = listening.getsockname()[1]
    show(f"http://{f'[{host}]' if ':' in host else host}:{bound}")
    sys.stdout.flush()
    serve.run(settings, listening, fixed)


def _tell(secret: str) -> None:
    """There are no tokens, so this run has one of its own."""
    say("There are no tokens yet (wooshq tokens make NAME). This token has all scopes, and ends with this process:")
    say(f"  Authorization: Bearer {secret}")
    say(f"To log in, open the address below in a browser of this machine, and give it the token: {secret}")
