"""How commands print: data to standard output, everything for people to standard error."""

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

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]

people = Console(stderr=True, highlight=False, emoji=False)
data = Console(highlight=False, emoji=False, soft_wrap=True)


class Stream(io.TextIOWrapper):
    """
    Standard output or error as a command needs it: a character that the terminal does not know is escaped, and whoever stops reading
    (`| head`) ends a command that only shows something, as done. One that changes something goes on unread: see `go_on_unread`.
    """

    #: What cannot be written: for data, the end of the command; what is for people only, they do without.
    is_data = True
    goes_on_unread = False

    @classmethod
    def instead_of(cls, stream: TextIO) -> TextIO:
        """A stream to the same file with these manners. One that is no file of the system's (a test's) stays as it is."""
        if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, cls):
            return stream
        stream.flush()
        # The old one keeps its own buffer: Celery holds on to it (sys.__stderr__), and asks it for its file's number.
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
        # What is still in the buffer goes where it cannot fail again, or Python would say so in its own words at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        if not self.is_data or (error.errno == errno.EPIPE and self.goes_on_unread):
            return
        if error.errno == errno.EPIPE:
            raise SystemExit(ALL_DONE)
        say(f"Standard output cannot be written: {error.strerror or error}.")
        raise SystemExit(SOME_REFUSED)


def prepare() -> None:
    """Give standard output and error their manners; called once, before anything is printed."""
    sys.stdout = Stream.instead_of(sys.stdout)
    sys.stderr = Stream.instead_of(sys.stderr)
    if isinstance(sys.stderr, Stream):
        sys.stderr.is_data = False


def go_on_unread() -> None:
    """From now on, what the command does must not depend on whether somebody reads what it prints."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.goes_on_unread = True


@contextlib.contextmanager
def interrupt_waits() -> Iterator[None]:
    """A Ctrl-C takes effect when this is over; the second one at once."""
    came: list[int] = []

    def note(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # a job in a shell's background
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def say(text: str, *, markup: bool = False) -> None:
    """A line for a person. markup: it is ours; strangers' text must not be read as such."""
    people.print(text, markup=markup, soft_wrap=not people.is_terminal)


def show(text: str) -> None:
    """A line of data for a person: to standard output, as long as it is."""
    data.print(text, markup=False)


def emit(record: Mapping[str, Any]) -> None:
    """A line for a machine."""
    # An escape that Python makes of a character is not always one that JSON has.
    ascii_only = (sys.stdout.encoding or "").lower().replace("_", "-") not in ("utf-8", "utf8")
    sys.stdout.write(json.dumps(dict(record), ensure_ascii=ascii_only, default=plain) + "\n")
    sys.stdout.flush()


def plain(value: object) -> Any:
    """For `json.dumps`: what it does not know as what it does."""
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, (tuple, set, frozenset)) else str(value)


def short(moment: str | None) -> str:
    """A moment as `--json` has it (2026-11-24T22:01:44.100Z), for a person: 2026-11-24 22:01:44. Always UTC."""
    return "" if moment is None else moment[:19].replace("T", " ")


def several(n: int, one: str, many: str | None = None) -> str:
    """`1 letter`, `2,000 letters`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def one_line(value: object) -> str:
    """A value in one line of a terminal, whatever a stranger put into it: no line break, nothing that moves the cursor or paints."""
    text = "" if value is None else " ".join(str(value).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def pairs(record: Mapping[str, Any], *, skip: Sequence[str] = ()) -> None:
    """One record for a person: a line a field that has a value."""
    for name, value in record.items():
        if name in skip or value in (None, "", [], {}):
            continue
        if name.endswith("_at"):
            value = f"{short(value)} UTC"
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = ", ".join(value)
        elif isinstance(value, (list, dict)):
            value = json.dumps(value, ensure_ascii=False, default=plain)
        field(name.replace("_", " "), value)


def field(name: str, value: object) -> None:
    """A name and its value, in two columns."""
    data.print(Text.assemble((f"{name:<20}", "bold"), f" {one_line(value)}"))


def attempts(record: Mapping[str, Any]) -> None:
    """Every attempt of an intent or a letter, a line each."""
    for n, attempt in enumerate(record["attempts"], 1):
        said = " ".join(str(attempt[k]) for k in ("http_status", "code", "error") if attempt[k] is not None)
        field(f"attempt {n}", f"{short(attempt['at'])} UTC {attempt['outcome']} {said}")


def finish(code: int) -> None:
    """End the command with a status, if it is not 0."""
    if code:
        raise typer.Exit(code)
