"""Gates that this process shuts: at once for its own calls, and with a reason for the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pytest

from tests.rig import some_settings
from wooshq.errors import LedgerUnavailable
from wooshq.ledger.gates import Heard
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.steps import RunScript, Steps
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.api.verdict import Dead, Retry, Sent, Unknown, Verdict

APPLICATION = "AAAAA-BBBBB"


class Client:
    """Notes the scripts that it is asked to run. answers: to the next ones; then nothing happened."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers = list(answers)
        self.scripts: list[RunScript] = []

    async def do(self, steps: Steps[Any]) -> Any:
        script = next(steps)
        assert isinstance(script, RunScript)
        self.scripts.append(script)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def reported(self) -> list[dict[str, Any]]:
        """What was reported, without the limits."""
        names = [field.name for field in fields(Heard)]
        return [{name: said[name] for name in names if said[name]} for said in (json.loads(script.args[0]) for script in self.scripts)]


def some_gates(*answers: list[str] | Exception, **settings: Any) -> tuple[LocalGates, Client]:
    given, client = some_settings(**settings), Client(*answers)
    return LocalGates(given, IntentLedger(given), client, lambda **_: None, lambda: None), client  # type: ignore[arg-type]


SENT, LOST = Sent("M-1"), Unknown("SILENT", "no answer")
ODD = Unknown("NO_MESSAGE_CODE", "2xx without a message code ({})", understood=False)
PAGE = Dead("rejected", "HTTP_406", "a page", by_api=False)


def after(gates: LocalGates, verdicts: Iterable[Verdict], recipients: int = 1) -> str | None:
    """The gate that is shut here after these verdicts."""
    for verdict in verdicts:
        gates.on_verdict(APPLICATION, verdict, lambda: recipients)
    return gates.gate_shut_for(APPLICATION)


class WhenCallsFail:
    @pytest.mark.parametrize(
        ("verdicts", "recipients", "gate"),
        [
            ([ODD] * 2, 1, None),
            ([ODD] * 3, 1, "answers"),
            ([ODD], 99, None),
            ([ODD], 100, "answers"),
            ([LOST] * 19, 1, None),
            ([LOST] * 20, 1, "circuit"),
            ([LOST], 999, None),
            ([LOST], 1000, "circuit"),
            ([Retry("UNAVAILABLE", "away")] * 19, 1000, None),
            ([PAGE] * 20, 1, "circuit"),
            ([Dead("rejected", "INVALID_ARGUMENT", "no")] * 100, 1, None),
            ([*[PAGE] * 19, SENT, PAGE], 1, None),
            ([*[LOST] * 19, Dead("rejected", "INVALID_ARGUMENT", "no"), LOST], 1, None),
        ],
    )
    def test_enough_of_them_or_of_their_recipients_shut_a_gate_here_at_once(
        self, verdicts: list[Verdict], recipients: int, gate: str | None
    ) -> None:
        assert after(some_gates()[0], verdicts, recipients) == gate

    async def test_they_are_reported_together(self) -> None:
        gates, client = some_gates()
        after(gates, [LOST, ODD, Retry("UNAVAILABLE", "away"), SENT, ODD, PAGE], recipients=7)
        await gates.report()
        sample = "the API's answers are not understood: 2xx without a message code ({})"
        assert client.reported == [
            {"well": 1, "failed": 3, "in_doubt": 7, "not_understood": 2, "not_understood_people": 14, "sample": sample}
        ]
        assert not gates.has_news

    async def test_what_the_ledger_did_not_get_is_reported_again(self) -> None:
        gates, client = some_gates(LedgerUnavailable("away", maybe_done=True))
        after(gates, [LOST])
        with pytest.raises(LedgerUnavailable):
            await gates.report()
        after(gates, [LOST, ODD])
        await gates.report()
        assert client.reported[1].items() >= {"failed": 2, "in_doubt": 2, "not_understood": 1}.items()

    async def test_a_gate_that_all_workers_together_shut_is_shut_here_too(self) -> None:
        gates, _ = some_gates(["shut answers"])
        assert after(gates, [ODD]) is None
        await gates.report()
        assert gates.gate_shut_for(APPLICATION) == "answers"
        gates.admitted(APPLICATION, time.monotonic() + 1, probe=False)
        assert gates.gate_shut_for(APPLICATION) is None, "the ledger knows of the gate, and admits calls"


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
