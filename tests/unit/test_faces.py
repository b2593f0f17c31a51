"""The sync and the async face are one: the same calls, parameters, defaults and docstrings, and the names that `__all__` lists."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pytest

import wooshq
import wooshq.aio
from wooshq.aio import AsyncDeadLetters, AsyncJobHandle, AsyncJobs, AsyncWooshq
from wooshq.client import DeadLetters, JobHandle, Jobs, Wooshq
from wooshq.events.faces import AsyncWebhooks, Webhooks
from wooshq.finding.faces import AsyncFindCalls, FindCalls
from wooshq.gates.faces import AsyncGateCalls, AsyncLimits, GateCalls, Limits
from wooshq.letters.filter import Conditions, ConditionsAndIds
from wooshq.overview.faces import AsyncOverviewCalls, OverviewCalls
from wooshq.people.faces import AsyncPeopleCalls, PeopleCalls
from wooshq.tokens.faces import AsyncTokens, Tokens

PAIRS = [
    (Wooshq, AsyncWooshq),
    (DeadLetters, AsyncDeadLetters),
    (Jobs, AsyncJobs),
    (JobHandle, AsyncJobHandle),
    (GateCalls, AsyncGateCalls),
    (FindCalls, AsyncFindCalls),
    (OverviewCalls, AsyncOverviewCalls),
    (PeopleCalls, AsyncPeopleCalls),
    (Limits, AsyncLimits),
    (Tokens, AsyncTokens),
    (Webhooks, AsyncWebhooks),
]
#: How a context manager is opened and closed has other names in asyncio.
ASYNC_NAME = {"__enter__": "__aenter__", "__exit__": "__aexit__"}
#: What may differ in an annotation: the async face takes async iterables as well, and gives its own classes.
SAME_IN_ASYNCIO = {
    "Iterator": "AsyncIterator",
    "JobHandle": "AsyncJobHandle",
    "Wooshq": "AsyncWooshq",
    "Iterable[IntentLike]": "Iterable[IntentLike] | AsyncIterable[IntentLike]",
    "Iterable[Given]": "Iterable[Given] | AsyncIterable[Given]",
}


def calls_of(face: type) -> dict[str, Any]:
    """The public calls of a face, and how it is opened and closed."""
    return {
        name: call for name, call in vars(face).items() if inspect.isfunction(call) and (not name.startswith("_") or name in ASYNC_NAME)
    }


CALLS = [(sync, asynchronous, name) for sync, asynchronous in PAIRS for name in calls_of(sync)]


def in_asyncio(annotation: str) -> str:
    """An annotation of the sync face as the async face writes it."""
    if annotation in SAME_IN_ASYNCIO:
        return SAME_IN_ASYNCIO[annotation]
    outer, bracket, inner = annotation.partition("[")
    return SAME_IN_ASYNCIO.get(outer, outer) + bracket + inner


class WhenACallIsMadeOnEitherFace:
    @pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
    def test_the_same_calls_exist(self, sync: type, asynchronous: type) -> None:
        expected = {ASYNC_NAME.get(name, name) for name in calls_of(sync)}
        found = {name for name, call in vars(asynchronous).items() if inspect.isfunction(call)}
        assert {name for name in found if not name.startswith("_") or name in ASYNC_NAME.values()} == expected

    @pytest.mark.parametrize(("sync", "asynchronous", "name"), CALLS)
    def test_it_takes_the_same_parameters_with_the_same_defaults(self, sync: type, asynchronous: type, name: str) -> None:
        one = inspect.signature(getattr(sync, name))
        other = inspect.signature(getattr(asynchronous, ASYNC_NAME.get(name, name)))
        assert list(one.parameters) == list(other.parameters)
        for parameter, twin in zip(one.parameters.values(), other.parameters.values(), strict=True):
            assert parameter.kind == twin.kind
            if inspect.isfunction(parameter.default):  # a callback that does nothing: two of them are never equal
                assert parameter.default.__code__.co_code == twin.default.__code__.co_code
            else:
                assert parameter.default == twin.default
            assert in_asyncio(str(parameter.annotation)) == str(twin.annotation)
        assert in_asyncio(str(one.return_annotation)) == str(other.return_annotation)

    @pytest.mark.parametrize(("sync", "asynchronous", "name"), CALLS)
    def test_it_is_described_in_the_same_words(self, sync: type, asynchronous: type, name: str) -> None:
        words = inspect.getdoc(getattr(sync, name))
        assert words == inspect.getdoc(getattr(asynchronous, ASYNC_NAME.get(name, name)))
        assert words or name == "__exit__"

    @pytest.mark.parametrize(("sync", "asynchronous", "name"), CALLS)
    def test_what_waits_is_awaited(self, sync: type, asynchronous: type, name: str) -> None:
        call = getattr(asynchronous, ASYNC_NAME.get(name, name))
        is_iterator = "Iterator" in str(inspect.signature(call).return_annotation)
        assert inspect.iscoroutinefunction(call) != is_iterator


class WhenNamesAreImported:
    def test_wooshq_lists_exactly_these(self) -> None:
        assert set(wooshq.__all__) == {
            "CauseUnknown", "Conflict", "FeedInterrupted", "FolderUnusable", "IntentInvalid", "JobRefused", "JobUnknown", "LedgerUnavailable", "LetterUnknown",
            "NotAccepted", "Problem", "QueryInvalid", "RecipientsChanged", "RecipientsFile", "RecipientsUnreadable", "ReplayUnknown", "RowRules", "Settings", "SettingsInvalid", "Status", "Wooshq",
            "WooshqError", "bulk", "cancel", "dead_letters", "enqueue", "enqueue_many", "fan_out", "find", "gates", "limits", "pause", "replays", "reset",
            "resume", "status",
        }  # fmt: skip

    def test_aio_lists_the_same_calls(self) -> None:
        calls = {name for name in wooshq.__all__ if name[0].islower()}
        assert set(wooshq.aio.__all__) == calls | {"AsyncWooshq"}

    @pytest.mark.parametrize("module", [wooshq, wooshq.aio])
    def test_each_name_is_there_and_belongs_to_one_client(self, module: Any) -> None:
        for name in module.__all__:
            assert hasattr(module, name)
        assert module.bulk is module._default.bulk
        assert module.enqueue == module._default.enqueue


class WhenDeadLettersAreFiltered:
    def test_ids_are_the_only_other_condition_of_a_list(self) -> None:
        assert set(typing.get_type_hints(ConditionsAndIds)) - set(typing.get_type_hints(Conditions)) == {"ids"}
