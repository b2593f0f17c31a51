"""Dead letters on the command line: find, read, edit, replay, discard, export."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Sequence

import pytest

from tests.rig import Rig, an_intent
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq_worker.cli.commands.letters.export import COLUMNS

NOBODY = "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> object:
    """One installation for the tests that change nothing: three letters, one of them discarded."""

    def refused(call: Call, _: int) -> Reply:
        return refusal(400, 3, f"{call.recipients[0][:4]}: this recipient is not valid, as a sentence says that is longer than a terminal")

    with StandIn(refused) as api:
        rig = Rig(tmp_path_factory.mktemp("dead"), api.url)
        rig.start_worker()
        ids = [rig.wooshq.enqueue(an_intent(user, campaign="C-1" if user == "=2+3" else "C-2")) for user in ("bad1", "=2+3", "gone")]
        rig.ended(ids)
        rig.wooshq.dead_letters.discard(ids[2])
        yield rig, ids
        rig.close()


def made(dead: object) -> tuple[Rig, Sequence[str]]:
    return dead  # type: ignore[return-value]


class WhenLettersAreListed:
    def test_state_any_shows_letters_of_every_state(self, dead: object) -> None:
        rig, _ = made(dead)
        for command in ("list", "groups"):
            shown = [json.loads(line) for line in rig.cli("dead", command, "--state", "any", "--json").stdout.splitlines()]
            assert sum(one.get("count", 1) for one in shown) == 3, command

    def test_groups_and_export_filter_alike(self, dead: object) -> None:
        rig, ids = made(dead)
        detail = rig.wooshq.dead_letters.show(ids[0]).detail
        for options, n in ((["--campaign", "C-1"], 1), (["--recipient", "=2+3"], 1), (["--detail", detail], 2), (["--detail", "x"], 0)):
            groups = rig.cli("dead", "groups", "--json", *options).stdout.splitlines()
            letters = rig.cli("dead", "export", "-", "--state", "open", *options).stdout.splitlines()
            assert (sum(json.loads(group)["count"] for group in groups), len(letters)) == (n, n), options

    @pytest.mark.parametrize("columns", [80, 100, 120])
    def test_a_terminal_shows_whole_ids_and_cuts_the_detail(self, dead: object, columns: int) -> None:
        rig, ids = made(dead)
        lines = rig.terminal("dead", "list", "--state", "any", columns=columns).splitlines()
        assert max(map(len, lines)) <= columns
        assert len(lines) == 2 + 3
        for intent_id in ids:
            (line,) = [line for line in lines if intent_id in line]
            assert "…" in line

    def test_a_pipe_receives_every_letter_uncut_on_one_line(self, dead: object) -> None:
        rig, _ = made(dead)
        lines = rig.cli("dead", "list").stdout.decode().splitlines()
        assert len(lines) == 2 + 2
        assert all("longer than a terminal" in line and "transactional" in line for line in lines[2:])

    def test_no_letter_and_one_letter_have_their_own_words(self, dead: object) -> None:
        rig, _ = made(dead)
        assert rig.cli("dead", "list", "--reason", "poison").stdout == b"No dead letters match.\n"
        assert rig.cli("dead", "groups", "--campaign", "C-1").stdout.startswith(b"1 dead letter in 1 group\n")
        assert b"Only the newest letter is shown" in rig.cli("dead", "list", "--most", "1").stderr
        assert b"Only" not in rig.cli("dead", "list", "--most", "2").stderr
        assert rig.cli("dead", "list", "--most", "0").returncode == 2


class WhenLettersAreExported:
    def test_only_the_owner_can_read_the_file_and_overwriting_needs_force(self, dead: object) -> None:
        rig, _ = made(dead)
        file = rig.folder / "letters.ndjson"
        assert rig.cli("dead", "export", str(file)).returncode == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before = file.read_bytes()
        again = rig.cli("dead", "export", str(file), "--reason", "poison")
        assert (again.returncode, file.read_bytes()) == (2, before)
        assert b"--force" in again.stderr
        assert rig.cli("dead", "export", str(file), "--reason", "poison", "--force").returncode == 0
        assert file.read_bytes() == b""

    def test_a_csv_names_the_recipients_and_no_cell_is_a_formula(self, dead: object) -> None:
        rig, ids = made(dead)
        file = rig.folder / "letters.csv"
        assert rig.cli("dead", "export", str(file)).returncode == 0
        rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
        assert {row["id"]: row["recipients"] for row in rows} == {ids[0]: "bad1", ids[1]: "'=2+3", ids[2]: "gone"}
        assert tuple(rows[0]) == COLUMNS == (*rig.wooshq.dead_letters.list()[0], "recipients")
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())

    def test_a_csv_without_letters_has_a_header(self, dead: object) -> None:
        rig, _ = made(dead)
        file = rig.folder / "none.csv"
        rig.cli("dead", "export", str(file), "--reason", "poison")
        assert file.read_bytes().decode() == ",".join(f'"{name}"' for name in COLUMNS) + "\r\n"


class WhenALetterIsEdited:
    def test_the_difference_is_shown_and_the_unused_fields_are_named(self, rig: Rig) -> None:
        rig.start_worker()
        (letter,) = [rig.wooshq.enqueue(an_intent("bad", idempotency_key="k"))]
        rig.ended([letter])
        done = rig.cli("dead", "edit", letter, "--patch", '{"to": {"users": ["good"]}}')
        changed = [line for line in done.stdout.decode().splitlines() if line[:1] in "+-" and line[1:2] == " "]
        assert [line.split() for line in changed] == [["-", '"bad"'], ["+", '"good"']]
        assert b"It does not use id and idempotency_key" in done.stderr
        machine = json.loads(rig.cli("dead", "edit", letter, "--patch", '{"lane": "bulk"}', "--json").stdout)
        assert machine.keys() == {"id", "before", "after"}

        refused = rig.cli("dead", "edit", letter, "--patch", '{"mesage": 1}')
        assert refused.returncode == 1
        assert b"message" in refused.stderr


class WhenIdsMatchNoLetter:
    @pytest.mark.parametrize("command", ["replay", "discard"])
    def test_they_are_named(self, dead: object, command: str) -> None:
        rig, ids = made(dead)
        done = rig.cli("dead", command, "--dry-run", "nonsense", NOBODY, ids[0])
        assert done.returncode == 1
        said = done.stderr.decode()
        assert "nonsense: no dead letter has this id" in said
        assert f"{NOBODY}: no dead letter has this id" in said
        assert f"{ids[0]}:" not in said
        assert "1 letter matches: 1 would be" in said

    def test_a_letter_that_does_not_match_the_filter_is_told_apart(self, dead: object) -> None:
        rig, ids = made(dead)
        done = rig.cli("dead", "replay", "--dry-run", ids[0], "--campaign", "C-1")
        assert f"{ids[0]}: this letter does not match the filter" in done.stderr.decode()

    def test_a_discarded_letter_is_not_discarded_again(self, dead: object) -> None:
        rig, ids = made(dead)
        done = rig.cli("dead", "discard", "--json", ids[2])
        assert json.loads(done.stdout) == {"selected": 1, "discarded": 0, "skipped": 1}
        assert done.returncode == 1
