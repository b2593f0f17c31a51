"""Can the broker be reached, and does it let its user do what is needed?"""

from __future__ import annotations

from typing import Any

from amqp.exceptions import NotAllowed as NoSuchVirtualHost
from celery import Celery

from wooshq.client import Wooshq
from wooshq_worker.doctor.finding import Finding
from wooshq_worker.doctor.refused import is_refused, lacks_a_right
from wooshq_worker.doctor.rights import finding, missing, of_the_broker


def check(wooshq: Wooshq) -> Finding:
    """Connect as a producer does, and ask for the rights if the broker is Redis."""
    variable = "WOOSHQ_BROKER_URL" if wooshq.settings.broker_url is not None else "WOOSHQ_REDIS_URL"
    app = wooshq.installation.app
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
            kind = str(connection.transport.driver_type)
            lacking = lacking_rights(app, connection) if kind == "redis" else []
            return finding("broker", lacking) if lacking else Finding("broker", "ok", f"{kind}: {_shown(wooshq, connection)}")
    except Exception as error:  # each transport of kombu raises its own
        if lacks_a_right(error):  # on connecting
            return finding("broker", ["+select"])
        if is_refused(error):
            return Finding("broker", "bad", "it refuses the user or the password", f"Fix them in {variable}")
        if isinstance(error, NoSuchVirtualHost) or isinstance(error.__cause__, NoSuchVirtualHost):
            mend = f"Fix the virtual host at the end of {variable}, or the user's permissions"
            return Finding("broker", "bad", "it does not let this user into the virtual host", mend)
        return Finding("broker", "bad", f"it cannot be reached ({type(error).__name__})", f"Start it, or fix {variable}")


def _shown(wooshq: Wooshq, connection: Any) -> str:
    """The broker's URL for other Celery programs, without a password."""
    places = wooshq.installation.places
    own = places.embedded is not None and wooshq.settings.broker_url is None
    return places.broker_url if own else str(connection.as_uri())


def lacking_rights(app: Celery, connection: Any) -> list[str]:
    """The rights that the user of a Redis broker does not have. connection: of kombu."""
    with connection.channel() as channel, channel.conn_or_acquire() as client:
        return missing(client, of_the_broker([queue.name for queue in app.amqp.queues.values()]))
