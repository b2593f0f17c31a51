"""Settings that a framework names, such as Django: they count where neither the environment nor the `.env` file says anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from wooshq.errors import SettingsInvalid
from wooshq.settings.server_url import MEMORY

_given: dict[str, Any] = {}
_refused: str | None = None


def set_defaults(values: Mapping[str, Any]) -> None:
    """Let these count from the next reading on. values: by the names of the settings."""
    global _given, _refused
    _given, _refused = dict(values), None


def refuse(problem: str) -> None:
    """The framework's own settings are wrong: the next reading raises this."""
    global _refused
    _refused = problem


def current() -> Mapping[str, Any]:
    """By the names of the settings. Raises SettingsInvalid after `refuse`."""
    if _refused is not None:
        raise SettingsInvalid(_refused)
    return _given


class Defaults(PydanticBaseSettingsSource):
    """The last source of `Settings`: a setting that another source has, under any of its names, is left out."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: `__call__` gives all at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The settings that no other source has."""
        known = {name.lower() for name in self.current_state}
        if self._is_in_memory():
            known |= self._names("redis_url")  # the environment wants no Redis, and it wins
        return {name: value for name, value in current().items() if not known & self._names(name)}

    def _is_in_memory(self) -> bool:
        names = self._names("broker_url")
        return any(value == MEMORY for name, value in self.current_state.items() if name.lower() in names)

    def _names(self, field: str) -> set[str]:
        alias = self.settings_cls.model_fields[field].validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias else []
        return {field, *(str(choice).lower() for choice in choices)}


def as_variable(value: Any) -> str:
    """A value as a variable of an environment."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return json.dumps({key: as_variable(one) if isinstance(one, SecretStr) else one for key, one in value.items()})
    return str(value).lower() if isinstance(value, bool) else str(value)
