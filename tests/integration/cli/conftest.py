"""The API of the command line's tests refuses some recipients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stand_in import Call, Reply, StandIn, refusal


def _refuses_bad(call: Call, _: int) -> Reply | None:
    """Refuses recipients whose name begins with `bad`."""
    if any(name.startswith("bad") for name in call.recipients):
        return refusal(400, 3, "this recipient is not valid, and the sentence that says so is longer than a terminal is wide")
    return None


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(_refuses_bad) as stand_in:
        yield stand_in
