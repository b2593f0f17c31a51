"""The sandbox of a test, and the rule that every fault that was set must strike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wooshq.testing import worker_side

if TYPE_CHECKING:
    from wooshq_worker.in_process import SandboxOfTest

_open: list[SandboxOfTest] = []


@contextmanager
def sandbox() -> Iterator[SandboxOfTest]:
    """
    A stand-in for the API. The fixture `wooshq_sandbox` does it for you.

    `Outbox.drain` calls it. Raises AssertionError at its end if a fault was set that never struck.
    """
    opened = worker_side.new_sandbox()
    _open.append(opened)
    try:
        yield opened
    finally:
        _open.remove(opened)
        opened.stop()
    all_struck(opened)


def current() -> SandboxOfTest | None:
    """The sandbox that is open, the innermost of several."""
    return _open[-1] if _open else None


def all_struck(sandbox: SandboxOfTest) -> None:
    """Raises AssertionError if a fault was set that never struck: then the test does not test what it seems to test."""
    __tracebackhide__ = True
    missed = sandbox.never_struck
    sandbox.forgive()
    if missed:
        raise AssertionError(f"A fault was set in the sandbox, and it never struck: {'; '.join(missed)}. Remove it, or send what it is for")
