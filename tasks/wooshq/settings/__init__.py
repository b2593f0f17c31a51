"""The settings: every setting with its rules (`model`), where it is read from (`load`), and what a server's URL says. Read once, passed on."""

from wooshq.settings.load import load_settings, variables
from wooshq.settings.model import DEFAULT_NAMESPACE, Settings, is_loopback

__all__ = ["DEFAULT_NAMESPACE", "Settings", "is_loopback", "load_settings", "variables"]
