"""Dockerfile and docker-compose.yml: the code reads every variable that they set, and every file that they copy exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from pydantic import AliasChoices

from tests.integration.worker.console.served import served
from wooshq import Wooshq
from wooshq.errors import SettingsInvalid
from wooshq.installation.embedded import ACQUIRE_S
from wooshq.installation.embedded.server import DURABLE
from wooshq.installation.places import Places, places
from wooshq.settings import Settings
from wooshq_worker.console import serve
from wooshq_worker.process.health.state import SILENT_S

REPOSITORY = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
WORKER: dict[str, Any] = COMPOSE["services"]["worker"]
CONSOLE: dict[str, Any] = COMPOSE["services"]["console"]
REDIS: dict[str, Any] = COMPOSE["services"]["redis"]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def variables() -> set[str]:
    """Every environment variable that Settings reads."""
    names = set()
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        names.add(str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"WOOSHQ_{field}".upper())
    return names


def instructions(name: str) -> list[str]:
    """What follows `name` in the Dockerfile, once for each time."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def seconds(text: str) -> float:
    """A duration as compose writes it: `30s`, `1m30s`."""
    parts = re.findall(r"(\d+)(h|m|s)", text)
    assert "".join(n + unit for n, unit in parts) == text
    return float(sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in parts))


OURS = pytest.mark.parametrize("service", [WORKER, CONSOLE], ids=["worker", "console"])


class WhenComposeStartsAProcessOfOurs:
    @OURS
    def test_the_code_reads_every_variable_that_it_sets(self, service: dict[str, Any]) -> None:
        assert set(service["environment"]) <= {*variables(), "OTEL_EXPORTER_OTLP_ENDPOINT"}

    @OURS
    def test_every_variable_from_outside_keeps_its_name(self, service: dict[str, Any]) -> None:
        for name, value in service["environment"].items():
            assert set(re.findall(r"\$\{(\w+)", value)) <= {name}

    @OURS
    def test_it_finds_redis_under_its_service_name_and_is_started_again_if_it_ends(self, service: dict[str, Any]) -> None:
        assert service["environment"]["WOOSHQ_REDIS_URL"].startswith("redis://redis:6379/")
        assert list(service["depends_on"]) == ["redis"]
        assert service["restart"] == "unless-stopped"

    def test_both_use_the_same_ledger_lanes_and_name(self) -> None:
        same = set(WORKER["environment"]) & set(CONSOLE["environment"])
        assert {"WOOSHQ_REDIS_URL", "WOOSHQ_BROKER_URL", "WOOSHQ_ENVIRONMENT", "PUSHWOOSH_APPLICATION"} <= same
        assert {name: WORKER["environment"][name] for name in same} == {name: CONSOLE["environment"][name] for name in same}


class WhenComposeStartsTheConsole:
    def test_only_this_machine_can_reach_it_at_the_port_where_it_listens(self) -> None:
        (port,) = CONSOLE["ports"]
        assert re.fullmatch(r"127\.0\.0\.1:\d+:8080", port)
        assert CONSOLE["command"] == ["console", "--host", "0.0.0.0", "--port", "8080"]

    def test_it_does_not_have_the_token_of_the_api(self) -> None:
        assert "PUSHWOOSH_API_TOKEN" not in CONSOLE["environment"]

    def test_without_a_token_of_its_own_its_variables_are_valid_and_it_refuses_to_listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in CONSOLE["environment"].items():
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value))
        settings = Settings()
        assert (settings.console_token, settings.tracing) == (None, False)
        assert places(settings) == Places("redis://redis:6379/0", "redis://redis:6379/1", None)
        monkeypatch.setattr(serve, "has_token", lambda _: False)
        with pytest.raises(SettingsInvalid, match="wooshq tokens make"):
            serve.tokens_for(settings, "0.0.0.0", tell=None)

    def test_its_health_check_asks_the_server_itself(self, wooshq: Wooshq) -> None:
        program, option, code = CONSOLE["healthcheck"]["test"][1:]
        assert (program, option) == ("python", "-c")
        with served(wooshq.settings) as http:
            here = code.replace("http://127.0.0.1:8080", str(http.base_url).rstrip("/"))
            assert here != code
            subprocess.run([sys.executable, option, here], check=True, timeout=60)
        assert subprocess.run([sys.executable, option, here], capture_output=True, timeout=60).returncode != 0


class WhenComposeStartsAWorker:
    def test_its_variables_make_valid_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in WORKER["environment"].items():
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?.*?\}", "T0ken", re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)))
        settings = Settings()
        assert (settings.has_token, settings.application, settings.sentry_dsn) == (True, None, None)
        assert places(settings) == Places("redis://redis:6379/0", "redis://redis:6379/1", None)

    def test_it_waits_longer_than_a_worker_may_take_to_end(self) -> None:
        assert seconds(WORKER["stop_grace_period"]) >= Settings.model_fields["drain_s"].default + 5

    def test_its_health_check_asks_about_this_worker_and_gives_it_time_to_start(self) -> None:
        check = WORKER["healthcheck"]
        assert check["test"] == ["CMD", "wooshq", "health"]
        # Until a container counts as not well, its worker may start, or be silent for a while.
        patience_s = seconds(check["interval"]) * check["retries"]
        assert patience_s > SILENT_S
        assert seconds(check["start_period"]) + patience_s >= ACQUIRE_S
        assert seconds(check["timeout"]) >= 5, "the check takes a tenth of a second, and much longer on a busy machine"


class WhenComposeStartsRedis:
    def test_it_is_as_durable_as_the_embedded_one(self) -> None:
        program, *options = REDIS["command"]
        assert program == "redis-server"
        assert dict(zip((o.removeprefix("--") for o in options[::2]), options[1::2], strict=True)) == DURABLE

    def test_its_files_are_on_a_volume_that_compose_keeps(self) -> None:
        (volume,) = REDIS["volumes"]
        name, _, path = volume.partition(":")
        assert (name in COMPOSE["volumes"], path) == (True, "/data")

    def test_the_ledger_supports_its_version(self) -> None:
        version = re.fullmatch(r"redis:(\d+)(?:\.(\d+))?(?:-\w+)?", REDIS["image"])
        assert version
        assert int(version[1]) >= 7 or (int(version[1]), int(version[2])) >= (6, 2)

    def test_nobody_outside_can_reach_it(self) -> None:
        assert "ports" not in REDIS


class WhenTheImageIsBuilt:
    def test_everything_that_it_copies_exists(self) -> None:
        sources = [s for line in instructions("COPY") if not line.startswith("--from") for s in line.split()[:-1]]
        assert sources
        assert [s for s in sources if not (REPOSITORY / s).exists()] == []

    def test_nothing_that_it_copies_is_hidden_by_the_dockerignore(self) -> None:
        shown = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        sources = {s for line in instructions("COPY") if not line.startswith("--from") for s in line.split()[:-1]}
        assert sources == shown

    def test_it_copies_everything_that_the_wheel_needs(self) -> None:
        wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        copied = {s for line in instructions("COPY") for s in line.split()[:-1]}
        assert {Path(package).parts[0] for package in wheel} | {PROJECT["project"]["readme"]} <= copied

    def test_its_command_is_that_of_the_package(self) -> None:
        (program,) = json.loads(instructions("ENTRYPOINT")[0])
        assert program in PROJECT["project"]["scripts"]
        assert json.loads(instructions("CMD")[0]) == WORKER["command"]
        # This one is asked often, by what restarts containers: it must be cheap, and about this worker alone.
        assert json.loads(re.findall(r"^HEALTHCHECK .* CMD (.*)$", DOCKERFILE, re.MULTILINE)[0]) == [program, "health"]

    def test_its_health_check_is_that_of_compose(self) -> None:
        (line,) = re.findall(r"^HEALTHCHECK (.*) CMD ", DOCKERFILE, re.MULTILINE)
        options = dict(option.removeprefix("--").split("=") for option in line.split())
        check = WORKER["healthcheck"]
        assert options == {name.replace("_", "-"): str(check[name]) for name in check if name != "test"}

    def test_the_code_reads_its_variables(self) -> None:
        ours = set(re.findall(r"\b((?:WOOSHQ|PUSHWOOSH|SENTRY)_\w+)=", DOCKERFILE))
        assert ours <= variables()

    def test_it_does_not_run_as_root(self) -> None:
        assert instructions("USER") == ["wooshq"]

    def test_the_package_supports_its_python(self) -> None:
        version = re.match(r"python:(\d+\.\d+)", instructions("FROM")[-1])
        assert version
        assert version[1] in Requirement(f"x{PROJECT['project']['requires-python']}").specifier


def pins(file: str) -> dict[str, set[str]]:
    """Name → versions (one for each condition) that a file of pins has."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (REPOSITORY / "requirements" / file).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


class WhenEverythingIsPinned:
    @pytest.mark.parametrize("file", ["dev.txt", "worker.txt"])
    def test_every_pin_has_hashes_and_no_address(self, file: str) -> None:
        text = (REPOSITORY / "requirements" / file).read_text()
        entries = re.split(r"\n(?=\S)", text.partition("\n")[2].strip())
        assert len(entries) > 40
        assert [e for e in entries if "--hash=sha256:" not in e] == []
        assert "://" not in text
        assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE)

    def test_the_image_gets_the_versions_that_are_tested(self) -> None:
        tested = pins("dev.txt")
        assert {name: versions for name, versions in pins("worker.txt").items() if tested.get(name) != versions} == {}

    def test_every_pin_lies_in_the_range_that_the_package_names(self) -> None:
        extras = PROJECT["project"]["optional-dependencies"]
        named = [PROJECT["project"]["dependencies"], *(extras[name] for name in ("worker", "console", "otel"))]
        wanted = [r for r in map(Requirement, chain(*named)) if r.name != "wooshq"]
        pinned = pins("worker.txt")
        assert [str(r) for r in wanted if not all(v in r.specifier for v in pinned[r.name.lower()])] == []

    def test_kombu_accepts_every_version_of_redis_py_in_the_range(self) -> None:
        (ours,) = (Requirement(r) for r in PROJECT["project"]["dependencies"] if r.startswith("redis"))
        (theirs,) = (
            r
            for r in map(Requirement, metadata.requires("kombu") or ())
            if r.name == "redis" and r.marker and r.marker.evaluate({"extra": "redis"})
        )
        (floor,) = (s.version for s in ours.specifier if s.operator == ">=")
        (end,) = (s.version for s in ours.specifier if s.operator == "<")
        assert floor in theirs.specifier, "`make floor` runs the tests with it"
        assert Version(end) <= max(Version(s.version) for s in theirs.specifier if s.operator == "<")
