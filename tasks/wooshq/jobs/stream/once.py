"""Which recipients of a stream come for the first time? Addresses that differ only in capital letters are counted, or taken as one."""

from __future__ import annotations

from collections.abc import Sequence

from wooshq.jobs.stream.duplicates import Duplicates
from wooshq_schemas import Recipient
from wooshq_schemas.recipients.notes import Note, Notes


class Once:
    """Tells for each recipient of one stream whether it is new."""

    def __init__(self, seen: Duplicates, notes: Notes, *, fold_emails: bool) -> None:
        """notes: counts the spellings of addresses that came before. fold_emails: they are not new then."""
        self._seen = seen
        self._notes = notes
        self._fold = fold_emails

    def new(self, recipients: Sequence[Recipient]) -> list[bool]:
        """For each recipient, whether it comes for the first time."""
        keys = [f"{recipient.to}\0{recipient.identifier}" for recipient in recipients]
        # Asked once for all of them: most streams have no addresses, and most addresses are in lower case.
        text = "".join(keys)
        if "@" not in text:
            return self._seen.new(keys)
        lowered = keys if text == text.lower() else [key.lower() if _is_address(key) else key for key in keys]
        new = self._seen.new(lowered)
        if not self._fold and not (lowered is keys and all(new)):
            for at, (key, lower) in enumerate(zip(keys, lowered, strict=True)):
                # Nothing more is kept of an address that came in lower case first. So only few addresses need a second look.
                if not (new[at] and key == lower) and _is_address(key):
                    new[at] = self._is_new_spelling(key, lower, is_first=new[at])
        return new

    def _is_new_spelling(self, key: str, lower: str, *, is_first: bool) -> bool:
        """Whether an address has not come in this spelling before. is_first: it has not come in any."""
        if is_first:
            self._seen.new([f"^{lower}", f"={key}"])
            return True
        if key == lower and not self._seen.known(f"^{lower}"):
            return False
        if not self._seen.new([f"={key}"])[0]:
            return False
        self._notes.add(Note.SPELLING)
        return True


def _is_address(key: str) -> bool:
    """Whether the key is of a recipient with an email address: those go to `hwids`."""
    return "@" in key and key.startswith("hwids\0")
