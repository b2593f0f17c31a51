"""The calls for dead letters and their replays. `Wooshq` and `AsyncWooshq` have them; both faces carry out the same descriptions."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Unpack

from wooshq.gates.faces import AsyncGateCalls, GateCalls
from wooshq.letters.causes import ignore_cause, reopen_cause
from wooshq.letters.discard import Discarded, discard_letters
from wooshq.letters.edit import edit_letter
from wooshq.letters.filter import Conditions, ConditionsAndIds
from wooshq.letters.find import find_letter, list_letters
from wooshq.letters.groups import count_letters, group_letters, show_cause
from wooshq.letters.letter import Group, Letter, WholeLetter
from wooshq.letters.replays import calls
from wooshq.letters.replays.examples import Example
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.preview import Preview, examples_of, preview_letters
from wooshq.letters.replays.rules import Brakes, Recipe, ReplayRules
from wooshq.letters.replays.show import LetterOutcome, Replay, check_outcomes, list_replays, outcomes_page, show_replay
from wooshq.letters.replays.start import Replayed, replay_letters


class DeadLetters:
    """The calls for dead letters. Keyword arguments are the conditions of `Conditions`: a letter must meet all that are given."""

    def __init__(self, owner: GateCalls) -> None:
        self._w = owner

    def list(self, *, most: int | None = None, **conditions: Unpack[ConditionsAndIds]) -> list[Letter]:
        """Letters that meet the conditions, the newest first, at most `most`."""
        return self._w.do(list_letters(self._w.ledger.keys, conditions, most=most))

    def groups(self, *, most: int | None = None, **conditions: Unpack[ConditionsAndIds]) -> builtins.list[Group]:
        """
        Open letters (unless a `state` is given) by cause: reason, detail and application. The largest group first, at most `most`.

        By cause, reason, detail and application alone it takes as long for 100,000 letters as for a few; for other conditions each is read.
        """
        return self._w.do(group_letters(self._w.ledger.keys, conditions, most=most))

    def count(self, *, most: int | None = None, **conditions: Unpack[ConditionsAndIds]) -> int:
        """How many letters meet the conditions, open ones unless a `state` is given. most: count no further."""
        return self._w.do(count_letters(self._w.ledger.keys, conditions, most=most))

    def cause(self, cause: str) -> Group:
        """One cause, also if none of its letters is open any more. cause: its id. Raises CauseUnknown."""
        return self._w.do(show_cause(self._w.ledger.keys, cause))

    def ignore(self, cause: str, until: datetime, *, why: str = "", by: str | None = None) -> Group:
        """
        Ignore a cause until a time: it is shown as ignored, and its letters are kept as before. If letters come after that, it is `back again`.

        until: aware. why, by: shown with the cause, and kept in the audit log; by: None for the user and host. Raises CauseUnknown, ValueError.
        """
        self._w.do(ignore_cause(self._w.ledger.letters, cause, until, why, by))
        return self.cause(cause)

    def reopen(self, cause: str, *, why: str = "", by: str | None = None) -> Group:
        """Ignore a cause no more, and take note of it if it is `back again`. Raises CauseUnknown, ValueError."""
        self._w.do(reopen_cause(self._w.ledger.letters, cause, why, by))
        return self.cause(cause)

    def show(self, letter_id: str) -> WholeLetter:
        """Everything about one letter. letter_id: the letter's id, or that of any intent of its history. Raises LetterUnknown."""
        return self._w.do(find_letter(self._w.ledger.keys, letter_id))

    def edit(self, letter_id: str, patch: Mapping[str, Any], *, why: str = "", by: str | None = None) -> tuple[Any, Any]:
        """
        Change the intent that a replay will send, by a JSON merge patch (RFC 7396). Returns the intent before and after.

        The result is validated as a whole; `id` and `idempotency_key` cannot be patched. why, by: for the audit log; by: None for the user
        and host. Raises LetterUnknown, IntentInvalid (nothing changed).
        """
        return self._w.do(edit_letter(self._w.ledger.letters, self._w.settings, letter_id, patch, why, by))

    def replay(
        self,
        *ids: str,
        dry_run: bool = False,
        to_application: str | None = None,
        to_lane: str | None = None,
        to_token: str | None = None,
        rate: float | None = None,
        in_doubt: bool | None = None,
        patch: Mapping[str, Any] | None = None,
        first: int | None = None,
        stop_at: float | None = None,
        start: bool = True,
        why: str = "",
        by: str | None = None,
        watch: Callable[[int], object] = lambda looked: None,
        **conditions: Unpack[Conditions],
    ) -> Replayed:
        """
        Replay letters: those of `ids`, or all open ones that meet the conditions. Each is sent once, even if two people replay it.

        The letters are chosen and checked here; then the replay runs in the workers, the oldest letter first, whoever started it may go away.
        `Wooshq.replays` follows, pauses and cancels it. to_application, to_lane: used instead of the letter's own. to_token: code of the
        application whose API token is used (it must be in the workers' PUSHWOOSH_API_TOKENS). patch: a JSON merge patch (RFC 7396) for the intent of every letter; the letters themselves stay as they are. rate: API calls a second; None for as fast as the
        limits allow. first: letters that are sent first; if more than the share `stop_at` of them fails again, the rest is spared (None: the
        settings `replay_first` and `replay_stop_at`; 0: no first slice). in_doubt: whether letters are taken whose recipient may have
        received the message (reasons `unknown`, `poison`); None takes those that are named by id or by their reason. dry_run: only say what
        would be done. start: False keeps the plan, to be started by `replays.start` within a day. why, by: kept with the replay; by: None for
        the user and host. watch: called with the number of letters that were checked so far, of thousands again and again.

        Raises ValueError if there are neither ids nor conditions, or for a rule out of its range; IntentInvalid if the patch cannot be one.
        """
        settings = self._w.settings
        brakes = Brakes.of(settings, rate, first, stop_at)
        rules = ReplayRules(Recipe(to_application, to_lane, patch, to_token), brakes, dry_run, start, in_doubt, why, by, watch)
        return self._w.do(replay_letters(ReplayLedger(settings), settings, ids, conditions, rules))

    def preview(
        self,
        *ids: str,
        to_application: str | None = None,
        to_lane: str | None = None,
        to_token: str | None = None,
        patch: Mapping[str, Any] | None = None,
        in_doubt: bool | None = None,
        **conditions: Unpack[Conditions],
    ) -> Preview:
        """
        What a replay with this recipe would do to the newest 250 letters of a selection, with the letters that differ most. Nothing is kept.

        `replay(dry_run=True)` looks at every letter. Raises ValueError for a recipe that cannot be one, IntentInvalid if the patch cannot.
        """
        recipe = Recipe(to_application, to_lane, patch, to_token)
        return self._w.do(preview_letters(self._w.ledger.keys, self._w.settings, ids, conditions, recipe, in_doubt))

    def discard(
        self, *ids: str, why: str = "", by: str | None = None, dry_run: bool = False, **conditions: Unpack[Conditions]
    ) -> Discarded:
        """
        Mark letters as not to be sent. They can be seen until their retention ends.

        why: kept with the letter. by: for the audit log; None for the user and host. Raises ValueError if there are neither ids nor conditions.
        """
        return self._w.do(discard_letters(self._w.ledger.letters, ids, conditions, why=why, by=by, dry_run=dry_run))


class Replays:
    """The calls for replays of dead letters. `dead_letters.replay` plans and starts one."""

    def __init__(self, owner: GateCalls) -> None:
        self._w = owner

    def list(self, *, most: int | None = None) -> builtins.list[Replay]:
        """Replays, the newest first, at most `most`."""
        return self._w.do(list_replays(self._w.ledger.keys, most=most))

    def show(self, replay_id: str) -> Replay:
        """The state of a replay, with its counters. Raises ReplayUnknown."""
        return self._w.do(show_replay(self._w.ledger.keys, replay_id))

    def outcomes(self, replay_id: str, *, outcome: str | None = None, left_out_for: Collection[str] = ()) -> Iterator[LetterOutcome]:
        """
        What became of each letter of a replay, in its order. outcome: only these, one of `OUTCOME_NAMES`. left_out_for: only letters that are left
        out for one of these, see `LeftOutFor`. Raises ReplayUnknown, ValueError.
        """
        check_outcomes(outcome, left_out_for)
        start: int | None = 0
        while start is not None:
            page, start = self._w.do(outcomes_page(self._w.ledger.keys, replay_id, outcome, start, left_out_for))
            yield from page

    def examples(self, replay_id: str) -> tuple[Example, ...]:
        """The letters of a replay that differ most, before and after its recipe; none without a recipe. Raises ReplayUnknown."""
        return self._w.do(examples_of(self._w.ledger.keys, self._w.settings, replay_id))

    def start(self, replay_id: str, *, by: str | None = None) -> Replay:
        """Start a replay that is planned, with just the letters of its plan. Raises ReplayUnknown, ValueError if it is not planned."""
        return self._w.do(calls.start(ReplayLedger(self._w.settings), self._w.settings, replay_id, by))

    def pause(self, replay_id: str, why: str = "paused manually", *, by: str | None = None) -> Replay:
        """Pause a replay. Calls in progress end; what waits in a queue is taken back and counts as waiting. Raises ReplayUnknown."""
        return self._w.do(calls.move(ReplayLedger(self._w.settings), self._w.settings, replay_id, "pause", why, by))

    def resume(self, replay_id: str, why: str = "", *, by: str | None = None) -> Replay:
        """Resume a replay that is paused or stopped. One that was stopped begins with a first slice again. Raises ReplayUnknown."""
        return self._w.do(calls.move(ReplayLedger(self._w.settings), self._w.settings, replay_id, "resume", why, by))

    def cancel(self, replay_id: str, why: str = "", *, by: str | None = None) -> Replay:
        """Cancel a replay. Letters that were not sent yet stay open. Raises ReplayUnknown."""
        return self._w.do(calls.move(ReplayLedger(self._w.settings), self._w.settings, replay_id, "cancel", why, by))

    def wait(self, replay_id: str, within_s: float | None = None, watch: Callable[[Replay], object] = lambda replay: None) -> Replay:
        """Wait until a replay has ended, or is paused or stopped. watch: called with the replay meanwhile. Raises ReplayUnknown."""
        return self._w.do(calls.wait(ReplayLedger(self._w.settings), replay_id, within_s, watch))


class AsyncDeadLetters:
    """The calls for dead letters. Keyword arguments are the conditions of `Conditions`: a letter must meet all that are given."""

    def __init__(self, owner: AsyncGateCalls) -> None:
        self._w = owner

    async def list(self, *, most: int | None = None, **conditions: Unpack[ConditionsAndIds]) -> list[Letter]:
        """Letters that meet the conditions, the newest first, at most `most`."""
        return await self._w.do(list_letters(self._w.ledger.keys, conditions, most=most))

    async def groups(self, *, most: int | None = None, **conditions: Unpack[ConditionsAndIds]) -> builtins.list[Group]:
        """
        Open letters (unless a `state` is given) by cause: reason, detail and application. The largest group first, at most `most`.

        By cause, reason, detail and application alone it takes as long for 100,000 letters as for a few; for other conditions each is read.
        """
        return await self._w.do(group_letters(self._w.ledger.keys, conditions, most=most))

    async def count(self, *, most: int | None = None, **conditions: Unpack[ConditionsAndIds]) -> int:
        """How many letters meet the conditions, open ones unless a `state` is given. most: count no further."""
        return await self._w.do(count_letters(self._w.ledger.keys, conditions, most=most))

    async def cause(self, cause: str) -> Group:
        """One cause, also if none of its letters is open any more. cause: its id. Raises CauseUnknown."""
        return await self._w.do(show_cause(self._w.ledger.keys, cause))

    async def ignore(self, cause: str, until: datetime, *, why: str = "", by: str | None = None) -> Group:
        """
        Ignore a cause until a time: it is shown as ignored, and its letters are kept as before. If letters come after that, it is `back again`.

        until: aware. why, by: shown with the cause, and kept in the audit log; by: None for the user and host. Raises CauseUnknown, ValueError.
        """
        await self._w.do(ignore_cause(self._w.ledger.letters, cause, until, why, by))
        return await self.cause(cause)

    async def reopen(self, cause: str, *, why: str = "", by: str | None = None) -> Group:
        """Ignore a cause no more, and take note of it if it is `back again`. Raises CauseUnknown, ValueError."""
        await self._w.do(reopen_cause(self._w.ledger.letters, cause, why, by))
        return await self.cause(cause)

    async def show(self, letter_id: str) -> WholeLetter:
        """Everything about one letter. letter_id: the letter's id, or that of any intent of its history. Raises LetterUnknown."""
        return await self._w.do(find_letter(self._w.ledger.keys, letter_id))

    async def edit(self, letter_id: str, patch: Mapping[str, Any], *, why: str = "", by: str | None = None) -> tuple[Any, Any]:
        """
        Change the intent that a replay will send, by a JSON merge patch (RFC 7396). Returns the intent before and after.

        The result is validated as a whole; `id` and `idempotency_key` cannot be patched. why, by: for the audit log; by: None for the user
        and host. Raises LetterUnknown, IntentInvalid (nothing changed).
        """
        return await self._w.do(edit_letter(self._w.ledger.letters, self._w.settings, letter_id, patch, why, by))

    async def replay(
        self,
        *ids: str,
        dry_run: bool = False,
        to_application: str | None = None,
        to_lane: str | None = None,
        to_token: str | None = None,
        rate: float | None = None,
        in_doubt: bool | None = None,
        patch: Mapping[str, Any] | None = None,
        first: int | None = None,
        stop_at: float | None = None,
        start: bool = True,
        why: str = "",
        by: str | None = None,
        watch: Callable[[int], object] = lambda looked: None,
        **conditions: Unpack[Conditions],
    ) -> Replayed:
        """
        Replay letters: those of `ids`, or all open ones that meet the conditions. Each is sent once, even if two people replay it.

        The letters are chosen and checked here; then the replay runs in the workers, the oldest letter first, whoever started it may go away.
        `Wooshq.replays` follows, pauses and cancels it. to_application, to_lane: used instead of the letter's own. to_token: code of the
        application whose API token is used (it must be in the workers' PUSHWOOSH_API_TOKENS). patch: a JSON merge patch (RFC 7396) for the intent of every letter; the letters themselves stay as they are. rate: API calls a second; None for as fast as the
        limits allow. first: letters that are sent first; if more than the share `stop_at` of them fails again, the rest is spared (None: the
        settings `replay_first` and `replay_stop_at`; 0: no first slice). in_doubt: whether letters are taken whose recipient may have
        received the message (reasons `unknown`, `poison`); None takes those that are named by id or by their reason. dry_run: only say what
        would be done. start: False keeps the plan, to be started by `replays.start` within a day. why, by: kept with the replay; by: None for
        the user and host. watch: called with the number of letters that were checked so far, of thousands again and again.

        Raises ValueError if there are neither ids nor conditions, or for a rule out of its range; IntentInvalid if the patch cannot be one.
        """
        settings = self._w.settings
        brakes = Brakes.of(settings, rate, first, stop_at)
        rules = ReplayRules(Recipe(to_application, to_lane, patch, to_token), brakes, dry_run, start, in_doubt, why, by, watch)
        return await self._w.do(replay_letters(ReplayLedger(settings), settings, ids, conditions, rules))

    async def preview(
        self,
        *ids: str,
        to_application: str | None = None,
        to_lane: str | None = None,
        to_token: str | None = None,
        patch: Mapping[str, Any] | None = None,
        in_doubt: bool | None = None,
        **conditions: Unpack[Conditions],
    ) -> Preview:
        """
        What a replay with this recipe would do to the newest 250 letters of a selection, with the letters that differ most. Nothing is kept.

        `replay(dry_run=True)` looks at every letter. Raises ValueError for a recipe that cannot be one, IntentInvalid if the patch cannot.
        """
        recipe = Recipe(to_application, to_lane, patch, to_token)
        return await self._w.do(preview_letters(self._w.ledger.keys, self._w.settings, ids, conditions, recipe, in_doubt))

    async def discard(
        self, *ids: str, why: str = "", by: str | None = None, dry_run: bool = False, **conditions: Unpack[Conditions]
    ) -> Discarded:
        """
        Mark letters as not to be sent. They can be seen until their retention ends.

        why: kept with the letter. by: for the audit log; None for the user and host. Raises ValueError if there are neither ids nor conditions.
        """
        return await self._w.do(discard_letters(self._w.ledger.letters, ids, conditions, why=why, by=by, dry_run=dry_run))


class AsyncReplays:
    """The calls for replays of dead letters. `dead_letters.replay` plans and starts one."""

    def __init__(self, owner: AsyncGateCalls) -> None:
        self._w = owner

    async def list(self, *, most: int | None = None) -> builtins.list[Replay]:
        """Replays, the newest first, at most `most`."""
        return await self._w.do(list_replays(self._w.ledger.keys, most=most))

    async def show(self, replay_id: str) -> Replay:
        """The state of a replay, with its counters. Raises ReplayUnknown."""
        return await self._w.do(show_replay(self._w.ledger.keys, replay_id))

    async def outcomes(
        self, replay_id: str, *, outcome: str | None = None, left_out_for: Collection[str] = ()
    ) -> AsyncIterator[LetterOutcome]:
        """
        What became of each letter of a replay, in its order. outcome: only these, one of `OUTCOME_NAMES`. left_out_for: only letters that are left
        out for one of these, see `LeftOutFor`. Raises ReplayUnknown, ValueError.
        """
        check_outcomes(outcome, left_out_for)
        start: int | None = 0
        while start is not None:
            page, start = await self._w.do(outcomes_page(self._w.ledger.keys, replay_id, outcome, start, left_out_for))
            for one in page:
                yield one

    async def examples(self, replay_id: str) -> tuple[Example, ...]:
        """The letters of a replay that differ most, before and after its recipe; none without a recipe. Raises ReplayUnknown."""
        return await self._w.do(examples_of(self._w.ledger.keys, self._w.settings, replay_id))

    async def start(self, replay_id: str, *, by: str | None = None) -> Replay:
        """Start a replay that is planned, with just the letters of its plan. Raises ReplayUnknown, ValueError if it is not planned."""
        return await self._w.do(calls.start(ReplayLedger(self._w.settings), self._w.settings, replay_id, by))

    async def pause(self, replay_id: str, why: str = "paused manually", *, by: str | None = None) -> Replay:
        """Pause a replay. Calls in progress end; what waits in a queue is taken back and counts as waiting. Raises ReplayUnknown."""
        return await self._w.do(calls.move(ReplayLedger(self._w.settings), self._w.settings, replay_id, "pause", why, by))

    async def resume(self, replay_id: str, why: str = "", *, by: str | None = None) -> Replay:
        """Resume a replay that is paused or stopped. One that was stopped begins with a first slice again. Raises ReplayUnknown."""
        return await self._w.do(calls.move(ReplayLedger(self._w.settings), self._w.settings, replay_id, "resume", why, by))

    async def cancel(self, replay_id: str, why: str = "", *, by: str | None = None) -> Replay:
        """Cancel a replay. Letters that were not sent yet stay open. Raises ReplayUnknown."""
        return await self._w.do(calls.move(ReplayLedger(self._w.settings), self._w.settings, replay_id, "cancel", why, by))

    async def wait(self, replay_id: str, within_s: float | None = None, watch: Callable[[Replay], object] = lambda replay: None) -> Replay:
        """Wait until a replay has ended, or is paused or stopped. watch: called with the replay meanwhile. Raises ReplayUnknown."""
        return await self._w.do(calls.wait(ReplayLedger(self._w.settings), replay_id, within_s, watch))
