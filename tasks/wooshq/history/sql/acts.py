"""The acts of operators in the history: written, found, removed, and cleaned of a person. The same SQL for SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, text

from wooshq.history.acts import ActPlace, KeptAct, WhichActs
from wooshq.history.person import Person

_KEY: Final = "installation, ms, n"
_INSERT: Final = "INSERT INTO wooshq_history_acts (installation, ms, n, at_ms, kind, who, said) VALUES (:installation, :ms, :n, :at_ms, :kind, :who, :said) "
_ONCE: Final = text(f"{_INSERT} ON CONFLICT ({_KEY}) DO NOTHING")
_AGAIN: Final = text(f"{_INSERT} ON CONFLICT ({_KEY}) DO UPDATE SET kind = excluded.kind, who = excluded.who, said = excluded.said")
_NO_IDS: Final = text("DELETE FROM wooshq_history_act_ids WHERE installation = :installation AND ms = :ms AND n = :n")
_IDS: Final = text(
    f"INSERT INTO wooshq_history_act_ids (id, installation, ms, n) VALUES (:id, :installation, :ms, :n) ON CONFLICT (id, {_KEY}) DO NOTHING"
)
_OLD: Final = "SELECT ms, n FROM wooshq_history_acts WHERE installation = :installation AND ms < :before_ms ORDER BY ms, n LIMIT :most"
_PAGE: Final = 500
_EMPTY: Final = dict.fromkeys(("why", "value", "before"), "")
"""Of an empty field nothing is kept."""


class Acts:
    """The acts of one installation. Others may be in the same database."""

    def __init__(self, installation: str) -> None:
        self._of = {"installation": installation}

    def write(self, connection: Connection, acts: Iterable[KeptAct]) -> None:
        """Write acts. One that is there stays, unless it was written again without a person."""
        acts = list(acts)
        for is_changed, statement in ((False, _ONCE), (True, _AGAIN)):
            some = [act for act in acts if act.is_changed is is_changed]
            if not some:
                continue
            connection.execute(statement, [self._row(act) for act in some])
            if is_changed:
                connection.execute(_NO_IDS, [self._key(act.place) for act in some])
            if ids := [{"id": one, **self._key(act.place)} for act in some for one in act.ids]:
                connection.execute(_IDS, ids)

    def find(self, connection: Connection, which: WhichActs, limit: int) -> list[KeptAct]:
        """Those that the question is about, the newest first."""
        conditions, given = ["acts.installation = :installation"], {**self._of, "most": limit}
        for name, condition in (
            ("by", "acts.who = :by"),
            ("kind", "acts.kind = :kind"),
            ("since_ms", "acts.at_ms >= :since_ms"),
            ("until_ms", "acts.at_ms < :until_ms"),
            ("id", "ids.id = :id"),
        ):
            if (value := getattr(which, name)) is not None:
                conditions.append(condition)
                given[name] = value
        if which.after is not None:
            conditions.append("(acts.ms < :after_ms OR (acts.ms = :after_ms AND acts.n < :after_n))")
            given |= {"after_ms": which.after.ms, "after_n": which.after.n}
        join = (
            "JOIN wooshq_history_act_ids AS ids ON ids.installation = acts.installation AND ids.ms = acts.ms AND ids.n = acts.n "
            if which.id is not None
            else ""
        )
        query = f"SELECT acts.ms, acts.n, acts.said FROM wooshq_history_acts AS acts {join}WHERE {' AND '.join(conditions)}"
        rows = connection.execute(text(f"{query} ORDER BY acts.ms DESC, acts.n DESC LIMIT :most"), given).tuples()
        return [_act(*row) for row in rows]

    def prune(self, connection: Connection, before_ms: int, limit: int) -> int:
        """Remove the oldest of those that were done before this time, at most `limit`. How many they were."""
        old = connection.execute(text(_OLD), {**self._of, "before_ms": before_ms, "most": limit}).tuples().all()
        if old:
            keys = [self._key(ActPlace(*one)) for one in old]
            connection.execute(_NO_IDS, keys)
            connection.execute(text("DELETE FROM wooshq_history_acts WHERE installation = :installation AND ms = :ms AND n = :n"), keys)
        return len(old)

    def naming(self, connection: Connection, person: Person) -> list[KeptAct]:
        """Some of the acts that name a person, without the person."""
        found: dict[ActPlace, KeptAct] = {}
        for left in self._naming(connection, person):
            found[left.place] = left
            if len(found) >= _PAGE:
                break
        return list(found.values())

    def count_naming(self, connection: Connection, person: Person) -> int:
        """How many acts name a person."""
        return len({left.place for left in self._naming(connection, person)})

    def _naming(self, connection: Connection, person: Person) -> Iterator[KeptAct]:
        """The acts that name a person, without the person. One may come twice."""
        query = "SELECT ms, n, said FROM wooshq_history_acts WHERE installation = :installation AND said LIKE :form ESCAPE '!'"
        for form in person.written:
            for row in connection.execute(text(query), {**self._of, "form": f"%{_escaped(form)}%"}).tuples():
                if (left := _act(*row).without(person)) is not None:
                    yield left

    def _row(self, act: KeptAct) -> dict[str, Any]:
        row = {name: value for name, value in act.row.items() if value and name != "was"}
        said = json.dumps(row, ensure_ascii=False, separators=(",", ":")).replace("\\u0000", " ")
        return {**self._key(act.place), "at_ms": int(act.row["at"]), "kind": act.kind, "who": _clean(act.row["by"]), "said": _clean(said)}

    def _key(self, place: ActPlace) -> dict[str, Any]:
        return {**self._of, "ms": place.ms, "n": place.n}


def _act(ms: int, n: int, said: str) -> KeptAct:
    return KeptAct(ActPlace(ms, n), {**_EMPTY, **json.loads(said)})


def _clean(value: str) -> str:
    """What a database can keep of a text."""
    return value.replace("\0", " ").encode("utf-8", "replace").decode()


def _escaped(value: str) -> str:
    for sign in "!%_":
        value = value.replace(sign, f"!{sign}")
    return value
