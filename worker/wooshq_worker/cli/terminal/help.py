"""What `--help` shows: a flag is its name, an option its name and one word for its value, and examples stand at the end."""

from __future__ import annotations

from typing import Any

import typer.core


class _Plain:
    """Typer writes `<bool>` beside a flag, `<str>` beside an argument and `[x>=0]` beside a number: the help says what counts."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # Showing the help is the last thing that the process does, so that nothing is parsed with these any more.
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            param.min = param.max = None
            if param.param_type_name == "argument":
                param.display_type_rich = lambda ctx: None
            if getattr(param, "is_flag", False):
                param.metavar = ""
        super().format_help(ctx, formatter)  # type: ignore[misc]


class Command(_Plain, typer.core.TyperCommand):
    """A command."""


class Group(_Plain, typer.core.TyperGroup):
    """A group of commands."""


def examples(*lines: str) -> str:
    """The end of a command's help."""
    # The empty line at the beginning keeps the indentation where typer removes the one that all lines but the first have.
    return "\n".join(["", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])
