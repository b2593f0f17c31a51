"""How a command opens its installation. On a developer's machine, the embedded Redis needs no setting."""

from __future__ import annotations

from wooshq import Wooshq
from wooshq.installation.places import or_embedded
from wooshq.settings import load_settings


def open_wooshq() -> Wooshq:
    """The installation of the environment. If that names no server, it uses the embedded Redis. Raises SettingsInvalid."""
    return Wooshq(or_embedded(load_settings()))


def names_a_redis() -> bool:
    """Whether the environment names a Redis or a broker. Otherwise commands use the embedded Redis. Raises SettingsInvalid."""
    settings = load_settings()
    return settings.redis_url is not None or settings.broker_url is not None
