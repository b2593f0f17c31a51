"""
wooshq in a Flask app: an extension that shares one client, and answers its errors with problem details. It needs `wooshq[flask]`.

    from flask import Flask
    from wooshq.flask import FlaskWooshq

    wooshq = FlaskWooshq()

    def create_app() -> Flask:
        app = Flask(__name__)
        wooshq.init_app(app)
        return app

    wooshq.client.enqueue(…)  # in a view
"""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, current_app

from wooshq.client import Wooshq
from wooshq.problem_details import EXPLAINED, MEDIA_TYPE, problem_details
from wooshq.settings import Settings, load_settings, variables

__all__ = ["FlaskWooshq"]

_NAME: Final = "wooshq"


class FlaskWooshq:
    """
    The extension. Settings are those of the environment; what `app.config` has under the same names (`WOOSHQ_REDIS_URL`, …) comes first.

    Nothing is opened before the first call, so an app may be made before a server forks.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give the app a client, and answer wooshq's errors with problem details (RFC 9457). Raises SettingsInvalid."""
        app.extensions[_NAME] = Wooshq(_settings_of(app))
        for kind in EXPLAINED:
            app.register_error_handler(kind, _answer)

    @property
    def client(self) -> Wooshq:
        """The client of the current app. Threads share it, and so do forked processes. Raises RuntimeError outside of an app's context."""
        found = current_app.extensions.get(_NAME)
        if not isinstance(found, Wooshq):
            raise RuntimeError("wooshq is not set up in this app. Call init_app(app) when the app is made")
        return found


def _settings_of(app: Flask) -> Settings | None:
    """The settings with those of `app.config`. None if it has none: then the environment is read at the first call."""
    named = {field: app.config[variable] for field, variable in variables().items() if app.config.get(variable) is not None}
    return load_settings(**named) if named else None


def _answer(error: Exception) -> Response:
    told = problem_details(error)
    return Response(told.body, told.status, dict(told.headers), content_type=MEDIA_TYPE)
