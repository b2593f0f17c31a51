"""The sandbox of a test: in memory, and on a port if the test asks for its URL. It knows which faults never struck."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wooshq_worker.sandbox.faults.fault import Fault
from wooshq_worker.sandbox.server import SandboxThread


class SandboxOfTest(SandboxThread):
    """
    The stand-in for the API, see `wooshq_worker.sandbox`. `drain` calls it in memory. Every token is valid until `set_tokens`.

    url: its address, for a real worker or any other client. It listens from the first time that the address is asked for.
    """

    def __init__(self, ahead_s: Callable[[], float] = lambda: 0.0) -> None:
        """ahead_s: see StandIn."""
        super().__init__(token=None, ahead_s=ahead_s)
        self._never_struck: list[str] = []

    @property
    def url(self) -> str:
        if self._thread is None:
            self.start()
        return super().url

    def set_faults(self, *faults: Fault | Mapping[str, Any]) -> None:
        self._note_unstruck()
        super().set_faults(*faults)

    def reset(self) -> None:
        self._note_unstruck()
        super().reset()

    @property
    def never_struck(self) -> list[str]:
        """The faults that were set, also earlier, and did not happen to any call: their names, and how many calls matched them."""
        return [*self._never_struck, *self._unstruck()]

    def forgive(self) -> None:
        """Remove all faults, and forget which of them never struck."""
        super().set_faults()
        self._never_struck.clear()

    def _note_unstruck(self) -> None:
        self._never_struck += self._unstruck()

    def _unstruck(self) -> list[str]:
        return [f"{fault.get('name') or fault['effect']} ({fault['seen']} calls matched)" for fault in self.faults() if not fault["hits"]]
