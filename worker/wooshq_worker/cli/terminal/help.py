"""The look of `--help`: a flag is shown as its name, an option as its name and one word for its value; examples come last."""

from __future__ import annotations

from typing import Any, Final

import typer.core

EXAMPLE_ID: Final = "018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"
"""An id for examples."""


class _Plain:
    """Leaves out what typer adds: `<bool>` beside a flag, `<str>` beside an argument, `[x>=0]` beside a number."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # The parameters can be changed: the process ends after the help, and parses nothing more.
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
    """The examples at the end of a command's help."""
    # typer removes the indentation that all lines but the first have in common: the empty first line keeps it.
    return "\n".join(["", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])
