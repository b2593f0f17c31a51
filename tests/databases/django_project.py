"""The project of examples/django, with a database and a Redis of the test's own; `manage.py` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy

from tests.rig import GENEROUS_S, ROOT

FOLDER = ROOT / "examples/django"
_ENGINES = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}


class DjangoProject:
    """url: of its database, as SQLAlchemy takes it. env: of an installation, such as `Rig.env`. options: of the database in Django's settings."""

    def __init__(self, folder: Path, url: str, env: dict[str, str], **options: Any) -> None:
        parsed = sqlalchemy.make_url(url)
        database = {
            "ENGINE": f"django.db.backends.{_ENGINES[parsed.get_backend_name()]}",
            "NAME": parsed.database,
            "USER": parsed.username or "",
            "PASSWORD": parsed.password or "",
            "HOST": parsed.query.get("host", parsed.host or ""),
            "PORT": parsed.port or "",
            "OPTIONS": {**({"timeout": 60, "transaction_mode": "IMMEDIATE"} if parsed.get_backend_name() == "sqlite" else {}), **options},
        }
        self.settings = folder / "shop_settings.py"
        self._write = (
            "import pymysql\npymysql.version_info = (2, 2, 1, 'final', 0)\npymysql.install_as_MySQLdb()\n"
            if parsed.get_backend_name() == "mysql"
            else ""
        )
        self._write += f"from myshop.settings import *\nDATABASES = {{'default': {database!r}}}\nWOOSHQ = {{}}\n"
        self.settings.write_text(self._write)
        self.folder = folder
        paths = [env["PYTHONPATH"], str(FOLDER), str(folder), str(ROOT)]
        self.env = {**env, "PYTHONPATH": os.pathsep.join(paths), "DJANGO_SETTINGS_MODULE": "shop_settings"}

    def set(self, **settings: Any) -> None:
        """More of Django's settings."""
        lines = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
        self.settings.write_text(self._write + lines)

    def command(self, *args: str) -> list[str]:
        """What runs `manage.py`."""
        return [sys.executable, str(FOLDER / "manage.py"), *args]

    def run(self, *args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py`."""
        return subprocess.run(
            self.command(*args),
            env={**self.env, **env},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=GENEROUS_S,
            check=False,
        )

    def python(self, code: str) -> Any:
        """Run code with Django ready. It prints JSON."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django, json\ndjango.setup()\n{code}"],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=GENEROUS_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start_python(self, code: str, *args: str) -> subprocess.Popen[str]:
        """Start code with Django ready, beside others."""
        command = [sys.executable, "-c", f"import django, json\ndjango.setup()\n{code}", *args]
        return subprocess.Popen(command, env=self.env, cwd=self.folder, stdout=subprocess.PIPE, text=True)
