"""What commands print: data to standard output, everything for people to standard error."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, TextIO

import typer
from rich.console import Console
from rich.text import Text

ALL_DONE: Final = 0
SOME_REFUSED: Final = 1
USED_WRONGLY: Final = 2
NOTHING_DONE: Final = 3
INTERRUPTED: Final = 130

FIND_THE_CAUSE: Final = "To find the cause, run wooshq doctor."
UNKNOWN_ID: Final = "no intent has this id. Check the id. The intent may have ended longer ago than WOOSHQ_RETENTION_S."
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for machines.")]

people = Console(stderr=True, highlight=False, emoji=False)
data = Console(highlight=False, emoji=False, soft_wrap=True)


class Stream(io.TextIOWrapper):
    """
    Standard output or error as a command needs it. A character that the terminal does not know is escaped.

    If the reader of a pipe leaves (`| head`), a command that only shows something ends with status 0. A command that changes something
    goes on: see `continue_unread`. On a full disk a command ends with status 1, at once or at its end.
    """

    is_data = True  #: if it cannot be written, the command ends; text for people is dropped instead
    continues_unread = False
    continues_unwritten = False
    is_lost = False  #: it could not be written, and the command went on

    @classmethod
    def instead_of(cls, stream: TextIO) -> TextIO:
        """Such a stream to the same file. A stream that is not a file of the system (in a test) is returned unchanged."""
        if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, cls):
            return stream
        stream.flush()
        # The old stream keeps its own buffer: Celery uses it (sys.__stderr__) and asks for its file number.
        return cls(
            io.BufferedWriter(io.FileIO(stream.fileno(), "w", closefd=False)),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering or stream.write_through,
        )

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._cannot(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._cannot(error)

    def _cannot(self, error: OSError) -> None:
        # The rest of the buffer goes to /dev/null: it would fail again at exit, and Python would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        if not self.is_data or (error.errno == errno.EPIPE and self.continues_unread):
            return
        if error.errno == errno.EPIPE:
            raise SystemExit(ALL_DONE)
        say(f"Standard output cannot be written: {error.strerror or error}.")
        if not self.continues_unwritten:
            raise SystemExit(SOME_REFUSED)
        self.is_lost = True


def prepare() -> None:
    """Replace standard output and error with a `Stream` each. Call it once, before anything is printed."""
    sys.stdout = Stream.instead_of(sys.stdout)
    sys.stderr = Stream.instead_of(sys.stderr)
    if isinstance(sys.stderr, Stream):
        sys.stderr.is_data = False


def continue_unread(*, or_unwritten: bool = False) -> None:
    """From now on the command continues even if nobody reads its output. or_unwritten: also if its output cannot be written (a full disk)."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.continues_unread = True
        sys.stdout.continues_unwritten = or_unwritten


def output_is_lost() -> bool:
    """Whether standard output could not be written, and the command went on: then not all is done."""
    return isinstance(sys.stdout, Stream) and sys.stdout.is_lost


@contextlib.contextmanager
def delay_interrupt() -> Iterator[None]:
    """Delay a Ctrl-C until the block ends; a second Ctrl-C takes effect at once."""
    interrupts: list[int] = []

    def note(number: int, _: object) -> None:
        if interrupts:
            raise KeyboardInterrupt
        interrupts.append(number)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # in the background of a shell
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt


def say(text: str, *, markup: bool = False) -> None:
    """Print a line for a person. markup: read rich's markup in it; only for our own text, never for text from outside."""
    people.print(text, markup=markup, soft_wrap=not people.is_terminal)


def show(text: str) -> None:
    """Print a line of data for a person to standard output, without wrapping it."""
    data.print(text, markup=False)


def emit(record: Mapping[str, Any]) -> None:
    """Print a JSON object for a machine."""
    # The stream escapes other characters as Python does (\x, \U), and JSON does not have these escapes.
    ascii_only = (sys.stdout.encoding or "").lower().replace("_", "-") not in ("utf-8", "utf8")
    sys.stdout.write(json.dumps(dict(record), ensure_ascii=ascii_only, default=plain) + "\n")
    sys.stdout.flush()


def plain(value: object) -> Any:
    """For `json.dumps`: turn a type that it does not know into one that it knows."""
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, (tuple, set, frozenset)) else str(value)


def short(moment: str | None) -> str:
    """A time for a person: 2026-11-24 22:01:44 (UTC). moment: as in `--json`, 2026-11-24T22:01:44.100Z."""
    return "" if moment is None else moment[:19].replace("T", " ")


def several(n: int, one: str, many: str | None = None) -> str:
    """`1 letter`, `2,000 letters`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def waits_for(seconds: float | None) -> str | None:
    """How long the oldest of something has waited: `waits for 1,234.5 s`. None for None."""
    return None if seconds is None else f"waits for {seconds:,.1f} s"


def one_line(value: object) -> str:
    """A value as one line that is safe for a terminal: no line breaks and no escape sequences, even if the text is from outside."""
    text = "" if value is None else " ".join(str(value).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def pairs(record: Mapping[str, Any], *, skip: Sequence[str] = ()) -> None:
    """Print a record for a person: one line per field that has a value."""
    for name, value in record.items():
        if name in skip or value in (None, "", [], {}):
            continue
        if name.endswith("_at") and isinstance(value, str):  # `stop_at` of a replay is a share
            value = f"{short(value)} UTC"
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = ", ".join(value)
        elif isinstance(value, (list, dict)):
            value = json.dumps(value, ensure_ascii=False, default=plain)
        field(name.replace("_", " "), value)


def field(name: str, value: object) -> None:
    """Print a name and its value in two columns."""
    data.print(Text.assemble((f"{name:<20}", "bold"), f" {one_line(value)}"))


def attempts(record: Mapping[str, Any]) -> None:
    """Print the attempts of an intent or a letter, one line each."""
    for n, attempt in enumerate(record["attempts"], 1):
        said = " ".join(str(attempt[k]) for k in ("http_status", "code", "error") if attempt[k] is not None)
        probe = " (a probe of a shut gate)" if attempt.get("probe") else ""
        field(f"attempt {n}", f"{short(attempt['at'])} UTC {attempt['outcome']} {said}{probe}")


def say_cut(most: int, one: str, *, other: str = "") -> None:
    """Say that a list shows only its newest entries. one: what an entry is. other: what else helps."""
    newest = f"the newest {one} is" if most == 1 else f"the newest {most:,} {one}s are"
    say(f"Only {newest} shown. Use --most N to see more{other}.")


def finish(code: int) -> None:
    """End the command with an exit status, unless it is 0."""
    if code:
        raise typer.Exit(code)
