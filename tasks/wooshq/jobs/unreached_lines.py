"""Recipients as lines of a file that `wooshq fanout` reads: NDJSON or CSV. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from wooshq.jobs.unreached import Unreached
from wooshq_schemas.recipients.recipient import LIST_OF, LOCALE

_KIND_OF = {name: kind for kind, name in LIST_OF.items() if kind != "email"}
"""List in the request → column. `hwids` are written as `hwid`, also where the job had e-mail addresses: the request is the same."""


def recipient_lines(recipients: Iterable[Unreached], counted: Counter[str], *, as_csv: bool) -> Iterator[str]:
    """
    Lines with their line ends. counted: counts why each recipient was not reached.

    A CSV has the columns of its first 1,000 recipients. Raises ValueError for a recipient that does not fit them: NDJSON takes all.
    """
    told = (one for one in recipients if _count(one, counted))
    if not as_csv:
        yield from (json.dumps(row_of(one), ensure_ascii=False) + "\n" for one in told)
        return
    head = [one for _, one in zip(range(1000), told, strict=False)]
    names = list(dict.fromkeys(name for one in head for name in row_of(one)))
    kinds = {_KIND_OF[one.to] for one in head}
    if len(kinds) > 1:
        raise ValueError(
            f"the recipients are of several kinds ({', '.join(sorted(kinds))}), and a CSV has one: write a file that ends in .ndjson"
        )
    yield _csv(names)
    for one in chain(head, told):
        row = row_of(one)
        if not row.keys() <= set(names):
            raise ValueError("the recipients have different columns: write a file that ends in .ndjson")
        yield _csv([row.get(name, "") for name in names])


def _count(one: Unreached, counted: Counter[str]) -> bool:
    counted[one.why] += 1
    return True


def row_of(one: Unreached) -> dict[str, str]:
    """Its columns, as `wooshq fanout` reads them."""
    locale = {} if one.locale is None else {LOCALE: one.locale}
    return {_KIND_OF[one.to]: one.identifier, **locale, **one.placeholders}


def _csv(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
