"""Dead letters are selected by a query, from Python and on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.letters.dead_letters import letters_of, users
from tests.rig import APPLICATION, Rig
from wooshq import QueryInvalid, ReplayUnknown, Wooshq
from wooshq.ledger.states import Reason
from wooshq.letters.find import look_for


def of_an_order(user: str) -> dict[str, Any]:
    return {
        "to": {"users": [user]},
        "message": {"push": {"title": f"Order INV-{user}"}},
        "tags": {"order": user},
        "campaign": "SALE",
        "application": APPLICATION,
    }


class WhenSomethingRareIsLookedFor:
    @pytest.mark.parametrize("reads", [1, 500, 1200])
    def test_pages_that_end_early_give_every_letter_once(self, wooshq: Wooshq, reads: int) -> None:
        rare = [letters_of(wooshq, users(1), detail="rare")[0] for _ in range(3)]
        letters_of(wooshq, users(1100), detail="usual")
        rare += letters_of(wooshq, users(2), detail="rare")
        keys, found, after, pages = wooshq.ledger.keys, [], None, 0
        while pages == 0 or after is not None:
            page, after = wooshq.do(look_for(keys, {"where": "detail:rare", "state": "open"}, most=2, after=after, reads=reads))
            found += [one.id for one in page]
            pages += 1
            assert pages < 20
        assert (len(found), set(found)) == (5, set(rare))


class WhenARecipeIsTried:
    def test_it_is_shown_on_letters_that_differ_before_and_after_the_plan(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(3))
        letters_of(wooshq, users(3), of_an_order)
        letters_of(wooshq, users(2), reason=Reason.UNKNOWN)
        patch = {"message": {"push": None, "preset": "SALE-2"}}
        tried = wooshq.dead_letters.preview(where="app:AAAAA-BBBBB", patch=patch)
        assert (tried.looked, tried.ready, tried.left_out) == (8, 6, {"in_doubt": 2})
        assert {one.after["message"]["preset"] for one in tried.examples} == {"SALE-2"}
        assert [one.payload_before is not None for one in tried.examples] == [True] * len(tried.examples)
        planned = wooshq.dead_letters.replay(where="app:AAAAA-BBBBB", patch=patch, start=False)
        assert planned.id is not None
        assert {one.id for one in wooshq.replays.examples(planned.id)} <= {one.id for one in wooshq.dead_letters.list()}
        assert len(wooshq.replays.examples(planned.id)) == len(planned.examples) >= 2
        kept = wooshq.replays.show(planned.id)
        assert (kept.left_out_for, kept.takes_s) == ({"in_doubt": 2}, planned.takes_s)

    def test_without_a_recipe_there_is_nothing_to_show(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(1))
        assert wooshq.dead_letters.preview(reason="rejected").examples == ()
        planned = wooshq.dead_letters.replay(reason="rejected", start=False)
        assert planned.id is not None
        assert wooshq.replays.examples(planned.id) == ()
        with pytest.raises(ReplayUnknown):
            wooshq.replays.examples("no-such-replay")


class WhenLettersAreListed:
    def test_a_query_says_which(self, wooshq: Wooshq) -> None:
        orders = letters_of(wooshq, users(3), of_an_order)
        other = letters_of(wooshq, ["u9"], reason=Reason.INVALID)

        def ids(query: str, **more: Any) -> list[str]:
            return [one.id for one in wooshq.dead_letters.list(where=query, **more)]

        assert ids("recipient:u1") == [orders[1]]
        assert ids("text:inv-u2 OR reason:invalid") == [other[0], orders[2]]
        assert ids("tag.order:u0 campaign:SALE since:1h") == [orders[0]]
        assert ids(f"(id:{orders[0]} OR id:{orders[2]}) NOT tag.order:u0") == [orders[2]]
        assert ids("campaign:SALE", recipient="u0") == [orders[0]], "a query and the other conditions must all be met"
        assert ids("campaign:SALE", most=1) == [orders[2]], "the newest first"
        assert ids("until:1h") == []
        assert sum(group.count for group in wooshq.dead_letters.groups(where="text:INV OR reason:invalid")) == 4
        wooshq.dead_letters.discard(orders[0])
        assert sum(group.count for group in wooshq.dead_letters.groups(where="campaign:SALE")) == 2, "only open ones"
        assert sum(group.count for group in wooshq.dead_letters.groups(where="campaign:SALE state:discarded")) == 1

    def test_an_error_points_at_the_column(self, wooshq: Wooshq) -> None:
        with pytest.raises(QueryInvalid, match="column 8: status: is not an HTTP status"):
            wooshq.dead_letters.list(where="status:many")


class WhenLettersAreReplayed:
    def test_the_selection_is_kept_as_a_query_with_absolute_times(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(3), of_an_order)
        done = wooshq.dead_letters.replay(where="campaign:SALE since:2h recipient:u1", start=False)
        assert done.replayed == 1
        query = wooshq.replays.show(done.id or "").selection
        assert query.startswith("campaign:SALE since:2") and query.endswith("Z recipient:(hidden)")
        since = datetime.fromisoformat(query.split("since:")[1].split()[0])
        assert abs(datetime.now(UTC) - timedelta(hours=2) - since) < timedelta(minutes=5)

    def test_letters_that_are_filed_later_are_not_in_it(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(2), of_an_order)
        done = wooshq.dead_letters.replay(where="campaign:SALE", start=False)
        letters_of(wooshq, users(2), of_an_order)
        assert wooshq.replays.start(done.id or "").total == 2

    def test_letters_in_doubt_are_taken_only_if_the_query_names_them(self, wooshq: Wooshq) -> None:
        (letter,) = letters_of(wooshq, ["u1"], of_an_order, reason=Reason.UNKNOWN)
        for query, taken in (
            ("campaign:SALE", 0),
            ("NOT reason:rejected", 0),
            ("campaign:SALE (reason:unknown OR lane:bulk)", 1),
            (f"id:{letter}", 1),
        ):
            assert wooshq.dead_letters.replay(where=query, dry_run=True).replayed == taken, query

    def test_a_query_that_picks_every_letter_is_refused(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(2))
        for call in (wooshq.dead_letters.replay, wooshq.dead_letters.discard):
            with pytest.raises(ValueError, match="empty filter"):
                call(where="state:open")

    def test_discarding_by_a_query_is_in_the_audit_log(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(4), of_an_order)
        assert wooshq.dead_letters.discard(where="tag.order:u1 OR tag.order:u2", why="test data").discarded == 2
        assert wooshq.audit().found[0].selection == "tag.order:u1 OR tag.order:u2"
        assert wooshq.dead_letters.discard(where="campaign:SALE").selected == 2, "open ones, as nobody asked for others"


class WhenTheCommandLineIsGivenAQuery:
    def test_it_is_an_argument_in_one_word_or_several_or_an_option(self, rig: Rig, tmp_path: Path) -> None:
        letters_of(rig.wooshq, users(3), of_an_order)

        def shown(*words: str) -> int:
            return len(rig.cli("dead", "list", "--json", *words).stdout.splitlines())

        assert shown("tag.order:u1 OR tag.order:u2") == 2
        assert shown("tag.order:u1", "OR", "tag.order:u2") == 2
        assert shown("--where", "tag.order:u1 OR tag.order:u2") == 2
        assert shown("tag.order:u1 OR tag.order:u2", "--recipient", "u2") == 1
        assert shown("state:closed") == 0
        assert rig.cli("dead", "export", str(tmp_path / "l.csv"), "recipient:u1").returncode == 0
        assert len((tmp_path / "l.csv").read_text().splitlines()) == 2
        plan = rig.cli("dead", "replay", "recipient:u1", "since:1h", "--dry-run", "--json")
        assert json.loads(plan.stdout)["replayed"] == 1
        assert rig.cli("dead", "discard", "recipient:u1", "--json").returncode == 0
        assert shown("state:discarded") == 1
        assert shown() == 2

    def test_an_error_shows_the_place(self, rig: Rig) -> None:
        told = rig.cli("dead", "groups", "state:open", "lnae:bulk")
        assert told.returncode == 2
        line, mark, words = told.stderr.decode().splitlines()
        assert (line, mark.index("^")) == ("state:open lnae:bulk", 11)
        assert words == "column 12: There is no such field. Did you mean lane?"
        assert rig.cli("dead", "list", "state:open", "--where", "lane:bulk").returncode == 2
