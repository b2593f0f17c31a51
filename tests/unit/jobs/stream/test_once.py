"""Each recipient once: exact repeats, and email addresses in several spellings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq.jobs.stream.duplicates import Duplicates
from wooshq.jobs.stream.once import Once
from wooshq_schemas import Recipient
from wooshq_schemas.recipients.notes import Note, Notes


def emails(*addresses: str) -> list[Recipient]:
    return [Recipient(address, "hwids") for address in addresses]


class Seen:
    """A stream's Once with its notes."""

    def __init__(self, folder: Path, *, fold: bool, keys_in_memory: int = 50_000) -> None:
        self.notes = Notes()
        self._duplicates = Duplicates(folder, keys_in_memory=keys_in_memory)
        self._once = Once(self._duplicates, self.notes, fold_emails=fold)

    def new(self, *addresses: str) -> list[str]:
        given = emails(*addresses)
        return [one.identifier for one, new in zip(given, self._once.new(given), strict=True) if new]

    @property
    def spellings(self) -> int:
        return self.notes.counts[Note.SPELLING]


@pytest.fixture(params=[50_000, 2], ids=["in memory", "on disk"])
def keys_in_memory(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class WhenAddressesDifferInCapitals:
    def test_each_spelling_is_taken_and_counted(self, tmp_path: Path, keys_in_memory: int) -> None:
        seen = Seen(tmp_path, fold=False, keys_in_memory=keys_in_memory)
        assert seen.new("ann@x.com", "Ann@x.com", "bob@x.com", "Bob@X.com") == ["ann@x.com", "Ann@x.com", "bob@x.com", "Bob@X.com"]
        assert seen.new("ANN@x.com", "ann@x.com", "Ann@x.com", "BOB@x.com", "cy@x.com") == ["ANN@x.com", "BOB@x.com", "cy@x.com"]
        assert seen.spellings == 4
        assert seen.notes.sentences() == [
            "In 4 rows, the email address differs from an earlier one only in capital letters. Each spelling is sent to. To send once, use "
            "--fold-emails (RowRules(fold_emails=True))."
        ]

    def test_they_are_one_if_that_is_asked_for_and_the_first_spelling_is_kept(self, tmp_path: Path, keys_in_memory: int) -> None:
        seen = Seen(tmp_path, fold=True, keys_in_memory=keys_in_memory)
        assert seen.new("Ann@x.com", "ann@x.com", "bob@x.com") == ["Ann@x.com", "bob@x.com"]
        assert seen.new("ANN@x.com", "BOB@x.com", "bob@x.com") == []
        assert seen.spellings == 0

    def test_users_and_devices_that_differ_in_capitals_are_others(self, tmp_path: Path) -> None:
        once = Once(Duplicates(tmp_path), notes := Notes(), fold_emails=True)
        given = [Recipient("ann@x.com"), Recipient("Ann@x.com"), Recipient("AB12", "hwids"), Recipient("ab12", "hwids"), *emails("a@x.com")]
        assert once.new(given) == [True] * 5
        assert once.new(given) == [False] * 5
        assert notes.counts == {}

    @given(
        st.lists(st.lists(st.sampled_from(["a@x", "A@x", "a@X", "b@x", "B@x", "İ@x", "i̇@x"]), max_size=6), max_size=4),
        st.sampled_from([1, 99]),
    )
    def test_it_is_exact_in_every_order(self, batches: list[list[str]], keys_in_memory: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            seen = Seen(Path(folder), fold=False, keys_in_memory=keys_in_memory)
            taken = [address for batch in batches for address in seen.new(*batch)]
        given = [address for batch in batches for address in batch]
        assert taken == list(dict.fromkeys(given))
        assert seen.spellings == len(set(given)) - len({address.lower() for address in given})
