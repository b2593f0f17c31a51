"""Acts of operators in the history: each once, found by who, what, when and id, and removed when their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests.databases import a_database
from tests.unit.history.records import AT, KINDS, a_history, act_row, an_id
from wooshq.gates.audit import act_of
from wooshq.history.acts import ActPlace, KeptAct, WhichActs
from wooshq.history.contract import History
from wooshq.history.store import open_history
from wooshq.settings import Settings


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    with a_history(request.param, tmp_path) as opened:
        yield opened


def an_act(ms: int, place: int = 0, /, **fields: str) -> KeptAct:
    return KeptAct(ActPlace(ms, place), act_row(at=str(AT + ms), **fields))


JOB, LETTER, NEW = an_id(1), an_id(2), an_id(3)
PAUSE = an_act(1, did="shut", what="hand|*/bulk", by="bob")
LIMIT = an_act(1, 1, did="limit", what=f"rate|job {JOB}", value="5", before="none")
EDIT = an_act(2, did="edit", what=f"letter {LETTER}", n="1", result="edited")
RESENT = an_act(3, did="resend", what=f"intent {LETTER}", n="1", result=f"intent {NEW}", why="100%_\\")
TOKEN = an_act(4, did="make", what="token shop", result="read send")
ALL = [TOKEN, RESENT, EDIT, LIMIT, PAUSE]


class WhenActsAreWritten:
    def test_each_is_there_once_as_it_was_told(self, history: History) -> None:
        for _ in range(2):
            history.write_acts(ALL)
        found = history.find_acts(WhichActs(), 9)
        assert [act_of(str(one.place), one.row) for one in found] == [act_of(str(one.place), one.row) for one in ALL]

    @pytest.mark.parametrize(
        ("which", "found"),
        [
            (WhichActs(by="bob"), [PAUSE]),
            (WhichActs(kind="letter"), [EDIT]),
            (WhichActs(kind="pause"), [PAUSE]),
            (WhichActs(kind="gate"), []),
            (WhichActs(kind="limit"), [LIMIT]),
            (WhichActs(id=LETTER), [RESENT, EDIT]),
            (WhichActs(id=NEW), [RESENT]),
            (WhichActs(id=JOB), [LIMIT]),
            (WhichActs(id="shop"), [TOKEN]),
            (WhichActs(since_ms=AT + 2, until_ms=AT + 4), [RESENT, EDIT]),
            (WhichActs(after=ActPlace(2, 0)), [LIMIT, PAUSE]),
            (WhichActs(after=ActPlace(1, 1)), [PAUSE]),
            (WhichActs(by="ana", id=LETTER, after=ActPlace(3, 0)), [EDIT]),
        ],
    )
    def test_a_question_finds_what_fits_in_the_history_as_in_the_stream(
        self, history: History, which: WhichActs, found: list[KeptAct]
    ) -> None:
        history.write_acts(ALL)
        assert [one.place for one in history.find_acts(which, 9)] == [one.place for one in found]
        assert [one for one in ALL if which.fits(one)] == found
        assert [one.place for one in history.find_acts(which, 1)] == [one.place for one in found[:1]]

    def test_the_oldest_leave_when_their_time_is_over(self, history: History) -> None:
        history.write_acts(ALL)
        assert history.prune_acts(3, 2) == 2
        assert history.prune_acts(3, 9) == 1
        assert [one.place for one in history.find_acts(WhichActs(), 9)] == [TOKEN.place, RESENT.place]
        assert history.find_acts(WhichActs(id=JOB), 9) == []

    def test_a_person_is_taken_out_and_the_act_stays(self, history: History) -> None:
        named = an_act(9, what=f"letter {LETTER}", why="ann asked; annabel did not", selection='tag.of:"ann"')
        history.write_acts([*ALL, named])
        assert history.forget("ann").acts == 1
        (found,) = history.find_acts(WhichActs(after=ActPlace(10, 0)), 1)
        assert (found.row["why"], found.row["selection"]) == ("(forgotten) asked; annabel did not", 'tag.of:"(forgotten)"')
        history.write_acts([named])
        assert history.find_acts(WhichActs(), 1) == [found], "an entry that is delivered again does not bring the person back"
        assert [one.place for one in history.find_acts(WhichActs(id=LETTER), 9)] == [named.place, RESENT.place, EDIT.place]
        assert history.forget("ann").acts == 0

    def test_who_is_named_with_signs_of_a_pattern_is_found(self, history: History) -> None:
        history.write_acts([RESENT, EDIT])
        assert history.forget("100%_\\").acts == 1
        assert history.find_acts(WhichActs(), 9)[0].row["why"] == "(forgotten)"


@pytest.mark.parametrize("kind", KINDS)
def test_two_installations_in_one_database_have_their_own_acts(kind: str, tmp_path: Path) -> None:
    with a_database(kind, tmp_path) as url:
        ours, theirs = (open_history(Settings(history_url=url, namespace=name)) for name in ("wq", "other"))
        assert ours is not None
        assert theirs is not None
        ours.write_acts([PAUSE])
        theirs.write_acts([KeptAct(PAUSE.place, EDIT.row)])
        assert [history.find_acts(WhichActs(), 9)[0].kind for history in (ours, theirs)] == ["pause", "letter"]
        assert ours.prune_acts(9, 9) == 1
        assert len(theirs.find_acts(WhichActs(), 9)) == 1
        ours.close()
        theirs.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_of_before_there_were_acts_is_completed(kind: str, tmp_path: Path) -> None:
    with a_database(kind, tmp_path) as url:
        for _ in range(2):
            history = open_history(Settings(history_url=url))
            assert history is not None
            history.write_acts([PAUSE])
            assert len(history.find_acts(WhichActs(), 9)) == 1
            history.close()
            engine = sqlalchemy.create_engine(url)
            with engine.begin() as connection:
                for table in ("wooshq_history_acts", "wooshq_history_act_ids"):
                    connection.execute(sqlalchemy.text(f"DROP TABLE {table}"))
            engine.dispose()
