"""wooshq's settings in Django's: `WOOSHQ = {"redis_url": …}`. What the environment sets wins, so that operators can change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings as django_settings
from pydantic import ValidationError
from pydantic_settings import SettingsError

import wooshq
from wooshq.errors import SettingsInvalid, explain_settings
from wooshq.settings import Settings, defaults, variables
from wooshq_schemas.validation.names import nearest, shown

NAME: Final = "WOOSHQ"


def given() -> Mapping[str, Any]:
    """`settings.WOOSHQ`, by the names of wooshq's settings. Raises SettingsInvalid for a name that is not one."""
    found = getattr(django_settings, NAME, None) or {}
    if not isinstance(found, Mapping):
        raise SettingsInvalid(f"{NAME}: must be a dict in Django's settings, such as {{'redis_url': 'redis://…'}}")
    problems = [_unknown(name) for name in found if name not in Settings.model_fields]
    if problems:
        known = {name: value for name, value in found.items() if name in Settings.model_fields and value is not None}
        raise SettingsInvalid("\n".join([*problems, *_wrong(known)]))
    return found


def _wrong(known: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values, beside names that are not settings: all of it is said at once."""
    try:
        Settings(**known)
    except ValidationError as error:
        return explain_settings(error)
    except (SettingsError, SettingsInvalid, ValueError):  # of the environment: the next look says so
        pass
    return []


def _unknown(name: object) -> str:
    near = nearest(str(name).lower().removeprefix("wooshq_").removeprefix("pushwoosh_"), list(Settings.model_fields))
    return f"{NAME}: {shown(str(name))} is not a setting of wooshq." + (f" Do you mean {near}?" if near else "")


def take_settings() -> None:
    """Let `settings.WOOSHQ` count where the environment says nothing. What is wrong in it is said by the checks and by the first call."""
    try:
        defaults.set_defaults(given())
    except SettingsInvalid as error:
        defaults.refuse(str(error))
    wooshq.reset()


def environment() -> dict[str, str]:
    """`settings.WOOSHQ` as variables of an environment, for a process that is not Django."""
    names = variables()
    return {names[name]: defaults.as_variable(value) for name, value in given().items() if value is not None}
