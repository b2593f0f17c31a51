"""Can the broker be reached?"""

from __future__ import annotations

from amqp.exceptions import NotAllowed as NoSuchVirtualHost

from wooshq.client import Wooshq
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.doctor.refused import is_refused


def check(wooshq: Wooshq) -> Finding:
    """Connect as a producer does."""
    variable = "WOOSHQ_BROKER_URL" if wooshq.settings.broker_url is not None else "WOOSHQ_REDIS_URL"
    try:
        with wooshq.installation.app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
            return Finding("broker", "ok", str(connection.transport.driver_type))
    except Exception as error:  # each transport of kombu raises its own
        if is_refused(error):
            return Finding("broker", "bad", "it refuses the user or the password", f"Fix them in {variable}")
        if isinstance(error, NoSuchVirtualHost) or isinstance(error.__cause__, NoSuchVirtualHost):
            mend = f"Fix the virtual host at the end of {variable}, or the user's permissions"
            return Finding("broker", "bad", "it does not let this user into the virtual host", mend)
        return Finding("broker", "bad", f"it cannot be reached ({type(error).__name__})", f"Start it, or fix {variable}")
