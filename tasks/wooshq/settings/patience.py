"""For how long may a connection to a SQL database be silent? A failover, or a firewall that forgot the connection, says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_LIBPQ: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # ms; the others are seconds
}
_MYSQL: Final = {"connect_timeout": 10, "read_timeout": 60, "write_timeout": 60}
_PATIENCE: Final = {"psycopg": _LIBPQ, "psycopg2": _LIBPQ, "pymysql": _MYSQL, "mysqldb": _MYSQL}
"""By the driver's name in SQLAlchemy."""


def patience(url: URL) -> dict[str, int]:
    """
    What the driver is told when it connects. Without it, a process whose database went away without a word would wait for hours. What the URL
    itself says comes first.
    """
    known = _PATIENCE.get(url.get_driver_name(), {})
    return {name: value for name, value in known.items() if name not in url.query}
