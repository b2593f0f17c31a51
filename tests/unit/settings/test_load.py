"""Reading the settings: what is wrong with the `.env` file itself, and which file sets the variable that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wooshq.errors import SettingsInvalid
from wooshq.settings import Settings, load_settings, variables

SECRET = "s3cret-välue"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `.env` file of the current folder; it does not exist yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    return tmp_path / ".env"


def refused() -> str:
    with pytest.raises(SettingsInvalid) as error:
        load_settings()
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
    return str(error.value)


class WhenAVariableIsWrong:
    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("WOOSHQ_CONCURRENCY=0", "WOOSHQ_CONCURRENCY (in {file}): must be greater than 0"),
            ("wooshq_concurrency=0", "WOOSHQ_CONCURRENCY (in {file}): must be greater than 0"),
            (f"WOOSHQ_RATES={SECRET}", "WOOSHQ_RATES (in {file}): is not valid JSON"),
            ('WOOSHQ_PLATFORMS={"desktop": {"number": 1}}', "WOOSHQ_PLATFORMS (in {file}): "),
            ("WOOSHQ_LEASE_S=1", "WOOSHQ_LEASE_S (in {file}) (1) must be longer than"),
            ("WOOSHQ_API_TOKENS=[", "WOOSHQ_API_TOKENS (in {file}): is not valid JSON"),
            ("WOOSHQ_BASE_URL=ftp://h", "WOOSHQ_BASE_URL (in {file}): must be https"),
            (f"WOOSHQ_REDIS_URL=redis://:pa#{SECRET}@h/0", "WOOSHQ_REDIS_URL (in {file}): has a user or a password"),
        ],
    )
    def test_the_error_names_the_file_that_sets_it(self, env_file: Path, line: str, says: str) -> None:
        env_file.write_text(f"OTHER=1\n{line}\n", encoding="utf-8")
        assert refused().startswith(says.format(file=env_file))

    def test_the_file_is_not_named_if_the_environment_sets_it(self, env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        env_file.write_text("WOOSHQ_CONCURRENCY=7\nWOOSHQ_PROBES=0\n")
        monkeypatch.setenv("WOOSHQ_CONCURRENCY", "0")
        assert refused().splitlines() == [
            "WOOSHQ_CONCURRENCY: must be greater than 0",
            f"WOOSHQ_PROBES (in {env_file}): must be greater than 0",
        ]


class WhenDockerKeptTheQuotesOfAnEnvFile:
    """`docker --env-file` does not remove quotes."""

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("PUSHWOOSH_API_TOKEN", '"abcdef"'),
            ("PUSHWOOSH_APPLICATION", "'AAAAA-BBBBB'"),
            ("WOOSHQ_REDIS_URL", '"redis://h/0"'),
            ("WOOSHQ_CONCURRENCY", '"7"'),
            ("PUSHWOOSH_API_TOKENS", '\'{"AAAAA-BBBBB": "abcdef"}\''),
        ],
    )
    def test_the_error_says_so(self, env_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
        monkeypatch.setenv(variable, value)
        said = refused()
        assert said.startswith(f"{variable}: ")
        assert "Remove them: `docker --env-file` keeps quotes" in said
        assert "abcdef" not in said

    @pytest.mark.parametrize("value", ['"abcdef', "abcdef'"])
    def test_a_token_with_one_of_two_quotes_is_refused_too(self, env_file: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("PUSHWOOSH_API_TOKEN", value)
        assert refused() == "PUSHWOOSH_API_TOKEN: must not begin or end with a quote. Remove it"

    def test_the_env_file_of_wooshq_itself_may_have_quotes(self, env_file: Path) -> None:
        env_file.write_text('PUSHWOOSH_APPLICATION="AAAAA-BBBBB"\n')
        assert load_settings().application == "AAAAA-BBBBB"


class WhenALineBreakWasCopied:
    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("PUSHWOOSH_APPLICATION", "AAAAA-BBBBB\n"),
            ("PUSHWOOSH_API_TOKENS", '{"AAAAA-BBBBB\\n": "abcdef"}'),
            ("WOOSHQ_RATES", '{" AAAAA-BBBBB": 5}'),
            ("WOOSHQ_REDIS_URL", "redis://h/0\r\n"),
            ("PUSHWOOSH_BASE_URL", "https://api.example "),
        ],
    )
    def test_the_error_says_so(self, env_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
        monkeypatch.setenv(variable, value)
        assert refused().startswith(f"{variable}: must not begin or end with a space or a line break")

    def test_a_token_with_one_is_refused_too(self, env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUSHWOOSH_API_TOKEN", "abcdef\n")
        assert "without spaces and line breaks" in refused()


EVERY_VARIABLE = sorted({*variables().values(), *(f"WOOSHQ_{field}".upper() for field in variables())} - {"WOOSHQ_SUBMIT_QUEUE"})


class WhenAVariableIsEmpty:
    """docker-compose sets `NAME: ${NAME:-}` to an empty text."""

    @pytest.mark.parametrize("variable", EVERY_VARIABLE)
    def test_it_is_like_a_variable_that_is_not_set(self, env_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        monkeypatch.delenv("WOOSHQ_DATA_DIR")
        default = load_settings()
        for value in ("", " "):
            monkeypatch.setenv(variable, value)
            assert load_settings() == default
        monkeypatch.delenv(variable)
        env_file.write_text(f"{variable}=\n")
        assert load_settings() == default

    def test_in_the_environment_it_also_hides_the_value_of_the_file(self, env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        env_file.write_text("SENTRY_DSN=https://k@sentry.example/1\nWOOSHQ_CONCURRENCY=7\n")
        monkeypatch.setenv("SENTRY_DSN", "")
        assert (load_settings().sentry_dsn, load_settings().concurrency) == (None, 7)

    def test_an_empty_name_of_the_extra_queue_means_no_queue(self, env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WOOSHQ_SUBMIT_QUEUE", "")
        assert load_settings().submit_queue_name is None


class WhenTheFileItselfIsWrong:
    @pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
    def test_another_encoding_is_named(self, env_file: Path, encoding: str) -> None:
        env_file.write_text("WOOSHQ_NAMESPACE=é\n", encoding=encoding)
        assert refused() == f"{env_file} is not text in UTF-8. Save it as UTF-8"

    def test_a_byte_order_mark_is_no_part_of_the_first_name(self, env_file: Path) -> None:
        env_file.write_text("WOOSHQ_NAMESPACE=shop\n", encoding="utf-8-sig")
        assert load_settings().namespace == "shop"

    def test_a_folder_is_named(self, env_file: Path) -> None:
        env_file.mkdir()
        assert refused().startswith(f"{env_file} is a folder, and must be a file. Docker makes a folder")

    def test_a_quote_that_is_not_closed_is_found_by_its_line(self, env_file: Path) -> None:
        env_file.write_text(f'A=1\nWOOSHQ_REDIS_URL="redis://:{SECRET}@h/0\n')
        assert refused() == f"{env_file}, line 2: cannot be understood. Write NAME=value, and close every quote"

    def test_lines_of_other_programs_are_left_alone(self, env_file: Path) -> None:
        env_file.write_text("if true; then\nWOOSHQ_NAMESPACE=shop\nfi\n")
        assert load_settings().namespace == "shop"

    @pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
    def test_a_file_that_cannot_be_read_is_named(self, env_file: Path) -> None:
        env_file.symlink_to("/proc/self/mem")  # also root cannot read its beginning
        assert refused().startswith(f"{env_file} cannot be read (")

    def test_a_file_of_another_user_is_named(self, data_dir: Path) -> None:
        if os.getuid() != 0:
            pytest.skip("only root can run a program as another user")
        data_dir.chmod(0o755)
        file = data_dir / ".env"
        file.write_text("WOOSHQ_NAMESPACE=shop\n")
        file.chmod(0o600)
        program = f"import os, sys; sys.path[:0] = {sys.path!r}; from wooshq import *; os.chdir({str(data_dir)!r})\n"
        program += (
            "from wooshq.settings import load_settings\nos.setuid(65534)\ntry: load_settings()\nexcept SettingsInvalid as e: print(e)"
        )
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True).stdout
        assert said.startswith(f"{file} cannot be read (Permission denied). Give this user the right to read it")
