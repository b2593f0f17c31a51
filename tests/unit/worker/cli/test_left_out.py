"""What a replay says of the letters that it leaves out."""

from __future__ import annotations

from wooshq_worker.cli.commands.letters.replay import why_left_out


def test_letters_with_the_same_reason_are_one_line_with_their_number_and_how_to_list_them() -> None:
    assert list(why_left_out({f"letter-{n}": "it is expired" for n in range(1204)})) == [
        "1,204 letters: it is expired",
        "(--left-out FILE writes all of them)",
    ]


def test_each_reason_has_a_line_and_those_that_are_too_many_are_counted() -> None:
    assert list(why_left_out({"a": "it is expired", "b": "it is closed"})) == ["a: it is expired", "b: it is closed"]
    lines = list(why_left_out({**{f"l{n}": f"reason {n}" for n in range(50)}, "x": "shared", "y": "shared"}))
    assert lines[0] == "2 letters: shared"
    assert lines[-2] == "… and 31 more for other reasons"
