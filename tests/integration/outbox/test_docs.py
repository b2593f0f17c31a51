"""The snippets of docs/django.md and docs/outbox.md, carried out: a project that follows the page, and a migration of Alembic."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from tests.rig import GENEROUS_S, ROOT

DJANGO = (ROOT / "docs/django.md").read_text(encoding="utf-8")
OUTBOX = (ROOT / "docs/outbox.md").read_text(encoding="utf-8")
SNIPPETS = dict(re.findall(r"```\w*\n# ([\w/]+\.py)\n(.*?)```", DJANGO, re.DOTALL))

MODEL = """
from django.db import models

class Order(models.Model):
    user = models.CharField(max_length=100)
    shipped = models.BooleanField(default=False)
"""
URLS = """
from django.urls import path
from orders.views import shipped

urlpatterns = [path("orders/<int:number>/shipped", shipped)]
"""
VIEW_THAT_TELLS_NOBODY = """
from django.http import HttpResponse

def shipped(request, number):
    return HttpResponse(status=202)
"""


class Project:
    """A project as `django-admin` makes it, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        layers = [str(ROOT / layer) for layer in ("schemas", "tasks", "worker")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WOOSHQ_", "PUSHWOOSH_", "DJANGO_"))}
        self.env = {**kept, "PYTHONPATH": os.pathsep.join(layers)}
        self.run("-m", "django", "startproject", "shop", ".")
        self.run("manage.py", "startapp", "orders")

    def run(self, *args: str, fails: bool = False) -> str:
        """Run Python. Returns what it wrote."""
        done = subprocess.run(
            [sys.executable, *args], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=GENEROUS_S, check=False
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write(self, name: str, code: str) -> None:
        (self.folder / name).write_text(code)


class WhenAProjectFollowsThePage:
    def test_its_test_fails_first_and_passes_when_the_view_is_written(self, tmp_path: Path) -> None:
        project = Project(tmp_path)
        settings = tmp_path / "shop/settings.py"
        assert "[...," in SNIPPETS["settings.py"]
        settings.write_text(settings.read_text() + SNIPPETS["settings.py"].replace("[...,", "[*INSTALLED_APPS, 'orders',"))
        project.write("orders/models.py", MODEL)
        project.write("shop/urls.py", URLS)
        project.write("orders/tests.py", SNIPPETS["orders/tests.py"])
        project.write("orders/views.py", VIEW_THAT_TELLS_NOBODY)
        project.run("manage.py", "makemigrations", "orders")
        project.run("manage.py", "migrate")
        project.run("manage.py", "check")
        assert "AssertionError" in project.run("manage.py", "test", fails=True)
        project.write("orders/views.py", SNIPPETS["orders/views.py"])
        assert re.search(r"Ran 1 test .*OK", project.run("manage.py", "test"), re.DOTALL)


class WhenAMigrationOfAlembicIsWritten:
    @pytest.fixture
    def migration(self) -> str:
        [body] = re.findall(r"```\n(def upgrade\(\):.*?)```", OUTBOX, re.DOTALL)
        return f"from alembic import op\nrevision = '0001'\ndown_revision = None\n\n{body}"

    def test_it_makes_the_table_and_takes_it_away(self, migration: str, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'app.db'}"
        folder = tmp_path / "migrations"
        project = [sys.executable, "-m", "alembic", "-c", str(tmp_path / "alembic.ini")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / layer) for layer in ("schemas", "tasks"))}

        def alembic(*args: str) -> None:
            subprocess.run([*project, *args], cwd=tmp_path, env=env, check=True, capture_output=True, timeout=GENEROUS_S)

        alembic("init", str(folder))
        ini = tmp_path / "alembic.ini"
        ini.write_text(re.sub(r"(?m)^sqlalchemy\.url = .*$", f"sqlalchemy.url = {url}", ini.read_text()))
        (folder / "versions/0001_outbox.py").write_text(migration.replace('"postgresql"', '"sqlite"'))
        alembic("upgrade", "head")
        tables = sqlalchemy.inspect(sqlalchemy.create_engine(url))
        assert "wooshq_outbox_waiting" in [index["name"] for index in tables.get_indexes("wooshq_outbox")]
        alembic("downgrade", "base")
        assert "wooshq_outbox" not in sqlalchemy.inspect(sqlalchemy.create_engine(url)).get_table_names()
