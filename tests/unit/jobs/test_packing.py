"""Recipients with the same request share calls, in whatever order they come, within bounded memory."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from wooshq.jobs.packing import Packer
from wooshq.jobs.units import MOST_CALLS, MOST_RECIPIENTS, Unit, unpack
from wooshq.ledger.chunks import Chunk
from wooshq_schemas import Recipient


def packed(people: Sequence[Recipient], limit: int = 1000, *, most_waiting: int = 200_000) -> tuple[list[Chunk], list[Unit]]:
    packer = Packer(limit, lambda locale: locale, most_waiting=most_waiting)
    chunks = [*packer.add(people), *packer.end()]
    return chunks, [unit for chunk in chunks for unit in unpack(chunk.data)]


def of_cities(n: int, cities: int, seed: int = 1) -> list[Recipient]:
    dice = random.Random(seed)
    return [Recipient(f"u{i}", "users", None, (("city", f"c{dice.randrange(cities)}"),)) for i in range(n)]


def fewest_calls(people: Sequence[Recipient], limit: int) -> int:
    return sum(-(-n // limit) for n in Counter(person[1:] for person in people).values())


class WhenAllRecipientsGetTheSameRequest:
    def test_every_call_but_the_last_is_full(self) -> None:
        chunks, units = packed([Recipient(f"u{i}") for i in range(25_500)])
        assert [len(unit.identifiers) for unit in units] == [1000] * 25 + [500]
        assert [chunk.size for chunk in chunks] == [10_000, 10_000, 5500]
        assert [chunk.calls for chunk in chunks] == [10, 10, 6]


class WhenThereAreFewDifferentRequests:
    def test_calls_are_full_whatever_the_order_of_recipients(self) -> None:
        people = of_cities(60_000, cities=40)
        _, units = packed(people)
        assert len(units) == fewest_calls(people, 1000) == 80

    def test_at_the_limit_of_memory_the_fullest_calls_go_first(self) -> None:
        people = of_cities(20_000, cities=100)
        packer = Packer(1000, lambda locale: locale, most_waiting=4000)
        units: list[Unit] = []
        for person in people:
            units += [unit for chunk in packer.add([person]) for unit in unpack(chunk.data)]
            assert packer._waiting <= 4000
        units += [unit for chunk in packer.end() for unit in unpack(chunk.data)]
        assert len(units) < 100 * 8, "far fewer than one for each, though a hundred cities do not fit"


class WhenEveryRequestIsDifferent:
    def test_recipients_do_not_wait_for_others_like_them(self) -> None:
        packer = Packer(1000, lambda locale: locale)
        first = next(packer.add(Recipient(f"u{i}", "users", None, (("name", f"n{i}"),)) for i in range(100_000)))
        assert first.calls == first.size == MOST_CALLS
        assert packer._waiting <= 2000


recipients = st.lists(
    st.builds(
        lambda n, to, locale, city: Recipient(f"u{n}", to, locale, (("city", city),) if city else ()),
        st.integers(0, 10**6),
        st.sampled_from(["users", "hwids"]),
        st.sampled_from([None, "en", "de"]),
        st.sampled_from(["", "a", "b", "c", "d"]),
    ),
    max_size=400,
    unique_by=lambda r: (r.to, r.identifier),
)


@given(recipients, st.integers(1, 50), st.integers(1, 300))
@settings(max_examples=200, deadline=None)
def test_each_recipient_is_in_one_call_with_its_request_and_the_same_stream_makes_the_same_chunks(
    people: list[Recipient], limit: int, most_waiting: int
) -> None:
    chunks, units = packed(people, limit, most_waiting=most_waiting)
    assert sorted((i, u.to, u.locale, u.placeholders) for u in units for i in u.identifiers) == sorted(map(tuple, people))  # type: ignore[type-var]
    assert all(len(unit.identifiers) <= limit for unit in units)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.size <= max(MOST_RECIPIENTS, limit) and chunk.calls <= MOST_CALLS for chunk in chunks)
    assert [c.digest for c in packed(people, limit, most_waiting=most_waiting)[0]] == [c.digest for c in chunks]
    if most_waiting > len(people):
        assert len(units) == fewest_calls(people, limit)
