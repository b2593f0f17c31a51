"""Reads the settings of the environment and of the `.env` file. An error names the variable, and the file that sets it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dotenv.parser import parse_stream
from pydantic import AliasChoices, ValidationError
from pydantic_settings import SettingsError

from wooshq.errors import SettingsInvalid, explain_settings
from wooshq.settings.model import Settings, is_in_quotes

_OURS: Final = re.compile(r"\b(?:WOOSHQ|PUSHWOOSH|SENTRY)_[A-Z0-9_]+", re.IGNORECASE)


def load_settings(**given: Any) -> Settings:
    """The settings of the environment. given: settings by field that come first. Raises SettingsInvalid, with one line for each problem."""
    file = _read_env_file(Settings.model_config.get("env_file"))
    try:
        settings = Settings(**given)
        settings.platform_table  # noqa: B018 - a wrong correction must fail at the start, and not when the first message is sent
    except ValidationError as error:
        raise SettingsInvalid(file.name_it(explain_settings(error))) from None
    except SettingsError as error:  # its cause may contain the value
        raise SettingsInvalid(file.name_it([_not_json(error, file)])) from None
    except ValueError as error:
        raise SettingsInvalid(file.name_it([f"WOOSHQ_PLATFORMS: {error}"])) from None
    return settings


def variables() -> dict[str, str]:
    """Field → the environment variable that sets it, as in the README. `WOOSHQ_` and the field's own name work for every field, too."""
    found = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        found[field] = str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"WOOSHQ_{field}".upper()
    return found


@dataclass(frozen=True)
class _EnvFile:
    """What a `.env` file sets. values: variable, in capitals → value, without those that the environment sets, too: it wins."""

    path: Path
    values: dict[str, str]

    def name_it(self, problems: Iterable[str]) -> str:
        """The problems, one a line, with the file behind each variable that it sets."""
        return "\n".join(re.sub(_OURS, self._with_file, line, count=1) for line in problems)

    def _with_file(self, variable: re.Match[str]) -> str:
        name = self._as_set(variable[0].upper())
        return f"{name} (in {self.path})" if name in self.values else name

    def _as_set(self, variable: str) -> str:
        """The name under which the variable is set: each setting can also be set as `WOOSHQ_` and the name of its field."""
        field = next((field for field, name in variables().items() if name == variable), variable)
        other = f"WOOSHQ_{field}".upper()
        is_set = {name.upper() for name in os.environ} | set(self.values)
        return other if other in is_set and variable not in is_set else variable


def _read_env_file(name: object) -> _EnvFile:
    """
    Read it before pydantic does, whose errors do not name the file. A line that cannot be understood would be ignored.

    Raises SettingsInvalid.
    """
    if not isinstance(name, str):
        return _EnvFile(Path(), {})
    path = Path(name).absolute()
    if path.is_dir():
        raise SettingsInvalid(f"{path} is a folder, and must be a file. Docker makes a folder if it mounts a file that does not exist")
    if not path.is_file():
        return _EnvFile(path, {})
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read ({error.strerror}). Give this user the right to read it, or remove it") from None
    if "\0" in text:
        raise SettingsInvalid(f"{path} is not text in UTF-8. Save it as UTF-8")
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error and _OURS.search(binding.original.string):
            raise SettingsInvalid(f"{path}, line {binding.original.line}: cannot be understood. Write NAME=value, and close every quote")
        if binding.key is not None and binding.value is not None:
            values[binding.key.upper()] = binding.value
    in_environment = {variable.upper() for variable in os.environ}
    return _EnvFile(path, {variable: value for variable, value in values.items() if variable not in in_environment})


def _not_json(error: SettingsError, file: _EnvFile) -> str:
    """pydantic-settings names the field in the text of its error alone."""
    field = re.search(r'field "(\w+)"', str(error))
    if field is None:
        return "A setting is not valid JSON. Write a JSON object"
    variable = variables().get(field[1], f"WOOSHQ_{field[1]}".upper())
    if is_in_quotes(os.environ.get(variable, file.values.get(variable, ""))):
        return f"{variable}: is in quotes, and must be a JSON object. Remove them: `docker --env-file` keeps quotes as a part of the value"
    return f"{variable}: is not valid JSON. Write a JSON object"
