"""How the columns of a file are called, and what wooshq calls them: renamed by `RowRules.columns`, and proposed if one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from wooshq_schemas.recipients.recipient import LIST_OF
from wooshq_schemas.recipients.rules import RowRules
from wooshq_schemas.validation.names import nearest, shown
from wooshq_schemas.validation.problem import Problem

_KINDS: Final = ", ".join(LIST_OF)
#: Names that other systems use, in small letters and without anything else, the likeliest first.
_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    "user": (
        *("userid", "user", "uid", "userids", "customerid", "externalid", "externaluserid", "clientid", "memberid", "subscriberid"),
        *("contactid", "accountid", "personid", "profileid", "loginid", "username", "login", "customer", "kundenid", "kundennummer"),
        *("benutzerid", "nutzerid", "idutilisateur", "idclient", "idusuario", "idcliente", "id"),
    ),
    "hwid": ("hwid", "hardwareid", "deviceid", "udid", "device"),
    "push_token": ("pushtoken", "devicetoken", "fcmtoken", "apnstoken", "registrationid", "registrationtoken", "token"),
    "email": ("email", "emailaddress", "mail", "mailaddress", "emailadresse", "emails", "correo", "correoelectronico", "courriel"),
}
_MOST_LISTED: Final = 20
#: What a cell of a row of data has, and the name of a column has not: an address, or many digits.
_DATA: Final = re.compile(r"@|\d{3}")


def renamed(names: Iterable[str], rules: RowRules) -> list[str]:
    """The names of columns as wooshq calls them. A column that has the name of another one by now gets none, and so is not read."""
    by_source = {source: name for name, source in rules.columns.items()}
    return [by_source.get(name, "" if name in rules.columns else name) for name in names]


def renamed_mapping(given: Mapping[Any, Any], rules: RowRules) -> dict[Any, Any]:
    """A mapping with its keys as wooshq calls them."""
    by_source = {source: name for name, source in rules.columns.items()}
    return {by_source.get(name, name): value for name, value in given.items() if name in by_source or name not in rules.columns}


def identifying(names: Iterable[str], rules: RowRules) -> list[str]:
    """The columns that identify a recipient: the one that the rules choose, otherwise all of `LIST_OF`. names: as wooshq calls them."""
    kinds = LIST_OF if rules.kind is None else (rules.kind,)
    return [name for name in names if name in kinds]


def one_is_needed(names: Sequence[str], named: Sequence[str], *, may_be_data: bool = False) -> Problem:
    """
    The problem of a header or a mapping that has not exactly one identifying column. names: its columns, as they stand there. named: those
    that identify. may_be_data: the names may be a row of data; then none is shown.
    """
    if named:
        problem = f"only one of {_KINDS} is allowed, but these were given: {', '.join(named)}"
        return Problem("", problem, f"Keep one and remove the others, or choose one: {_how_to_map(named[0], named[0])}")
    required = f"one of {_KINDS} is required"
    if not names:
        return Problem("", required)
    found = _proposal(names)
    if may_be_data and not _is_header(names, found):
        return Problem("", required, f"The first line of a CSV file must be its header. If it is: {_how_to_map('user', 'NAME')}")
    listed = ", ".join(map(shown, names[:_MOST_LISTED])) + (f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else "")
    hint = (
        f"Say which one it is: {_how_to_map('user', 'NAME')}"
        if found is None
        else f"Did you mean {found[0]}? Then add {_how_to_map(*found)}"
    )
    return Problem("", f"{required}. The columns are: {listed}", hint)


def not_there(name: str, names: Sequence[str]) -> Problem:
    """The problem of a header without a column that the rules name."""
    near = nearest(name, names)
    return Problem(shown(name), "no column has this name (map)", f"Did you mean {shown(near)}?" if near is not None else "Correct the name")


def _how_to_map(name: str, source: str) -> str:
    quoted = shown(source).replace("\\", "\\\\").replace('"', '\\"')
    return f'--map {name}="{quoted}", or RowRules(columns={{"{name}": "{quoted}"}})'


def _proposal(names: Sequence[str]) -> tuple[str, str] | None:
    """(what wooshq calls it, its name) of the column that probably identifies the recipients."""
    by_folded = {re.sub(r"[\W_]", "", name).casefold(): name for name in reversed(names)}
    for kind, called in _CALLED.items():
        for one in called:
            if one in by_folded:
                return kind, by_folded[one]
    for name in names:
        if (near := nearest(name, LIST_OF)) is not None:
            return near, name
    return None


def _is_header(names: Sequence[str], found: tuple[str, str] | None) -> bool:
    """Whether these are names rather than a recipient: a name that other systems use is among them, or several without a digit."""
    if any(_DATA.search(name) for name in names):
        return False
    return found is not None or (len(names) > 1 and not any(char.isdigit() for name in names for char in name))
