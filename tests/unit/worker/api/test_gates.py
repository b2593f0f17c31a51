"""Gates that this process shuts: at once for its own calls, and with a reason for the ledger."""

from __future__ import annotations

from typing import Any

from tests.rig import some_settings
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.steps import RunScript, Steps
from wooshq_worker.api.gates import LocalGates

APPLICATION = "AAAAA-BBBBB"


class Client:
    """Notes the scripts that it is asked to run."""

    def __init__(self) -> None:
        self.scripts: list[RunScript] = []

    async def do(self, steps: Steps[Any]) -> Any:
        script = next(steps)
        assert isinstance(script, RunScript)
        self.scripts.append(script)
        return []


class WhenAnApplicationHasNoToken:
    async def test_its_calls_are_held_at_once_and_the_reason_says_what_to_set(self) -> None:
        settings, client, news = some_settings(), Client(), []
        gates = LocalGates(settings, IntentLedger(settings), client, lambda **_: None, lambda: news.append(1))  # type: ignore[arg-type]
        gates.shut_without_token(APPLICATION)
        assert gates.gate_shut_for(APPLICATION) == "token"
        assert gates.gate_shut_for("CCCCC-DDDDD") is None
        assert news
        await gates.report()
        (script,) = client.scripts
        reason = str(script.args[-1])
        assert APPLICATION in reason
        assert "PUSHWOOSH_API_TOKEN" in reason
        assert not gates.has_news
