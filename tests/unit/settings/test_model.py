"""Settings: which combinations are refused, in words that show no value; and what follows from others."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from wooshq.errors import SettingsInvalid, explain_settings
from wooshq.settings import Settings, is_loopback, load_settings, variables

SECRET = "s3cret-välue"

Refusal = Callable[..., str]


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """Why an environment is refused."""

    def load(**environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SettingsInvalid) as refused:
            load_settings()
        return str(refused.value)

    return load


class WhenMessagesAreInMemory:
    """`WOOSHQ_BROKER_URL=memory://` is for development: no real message may be among them."""

    @pytest.mark.parametrize("url", ["https://api.pushwoosh.com", "https://api.eu.example", None])
    def test_a_real_api_is_refused_also_if_it_is_only_the_default(self, refusal: Refusal, url: str | None) -> None:
        said = refusal(WOOSHQ_BROKER_URL="memory://", **({} if url is None else {"PUSHWOOSH_BASE_URL": url}))
        assert f"PUSHWOOSH_BASE_URL is a real API ({url or 'https://api.pushwoosh.com'}). Set PUSHWOOSH_BASE_URL=sandbox" in said

    def test_a_redis_beside_it_is_refused(self, refusal: Refusal) -> None:
        said = refusal(WOOSHQ_BROKER_URL="memory://", PUSHWOOSH_BASE_URL="sandbox", WOOSHQ_REDIS_URL="redis://127.0.0.1")
        assert "uses no Redis. Unset WOOSHQ_REDIS_URL" in said

    def test_the_sandbox_is_refused_without_it(self, refusal: Refusal) -> None:
        assert "only for WOOSHQ_BROKER_URL=memory://" in refusal(PUSHWOOSH_BASE_URL="sandbox")

    @pytest.mark.parametrize("url", ["sandbox", "http://127.0.0.1:8081", "http://localhost:1"])
    def test_a_sandbox_is_accepted(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("WOOSHQ_BROKER_URL", "memory://")
        monkeypatch.setenv("PUSHWOOSH_BASE_URL", url)
        assert load_settings().base_url == url


class WhenASettingIsNotValid:
    @pytest.mark.parametrize(
        ("variable", "value", "says"),
        [
            ("PUSHWOOSH_API_TOKEN", SECRET, "must be printable ASCII without spaces and line breaks. Copy the token again"),
            ("PUSHWOOSH_API_TOKEN", "two words", "must be printable ASCII without spaces"),
            ("PUSHWOOSH_API_TOKENS", f'{{"AAAAA-BBBBB": "{SECRET}"}}', "must be printable ASCII without spaces"),
            ("PUSHWOOSH_API_TOKENS", SECRET, "is not valid JSON. Write a JSON object"),
            ("WOOSHQ_RATES", SECRET, "is not valid JSON"),
            ("WOOSHQ_PLATFORMS", f'{{"{SECRET}": {{"number": 1}}}}', "is not a platform"),
            ("WOOSHQ_CONCURRENCY", SECRET, "must be a valid integer"),
            ("WOOSHQ_CONCURRENCY", "0", "must be greater than 0"),
            ("WOOSHQ_LEASE_S", "-1", "must be greater than 0"),
            ("WOOSHQ_NAMESPACE", "a b", "must match pattern"),
            ("WOOSHQ_ON_UNKNOWN", SECRET, "must be 'resend' or 'dead_letter'"),
            (
                "PUSHWOOSH_BASE_URL",
                f"https://me:{SECRET}@api.example",
                "must not contain a user or a password. Put the token into PUSHWOOSH_API_TOKEN",
            ),
            ("PUSHWOOSH_BASE_URL", f"https://api.example/?{SECRET}", "must not have a query or a fragment. Use https://api.pushwoosh.com"),
            ("PUSHWOOSH_BASE_URL", f"https://api.example/{SECRET}", "must not have a path"),
            ("PUSHWOOSH_BASE_URL", "https://", "must be a URL with a host"),
            ("PUSHWOOSH_BASE_URL", "http://api.example", "must be https, because every call contains the token"),
        ],
    )
    def test_the_error_names_the_variable_and_the_remedy(self, refusal: Refusal, variable: str, value: str, says: str) -> None:
        said = refusal(**{variable: value})
        assert said.startswith(f"{variable}")
        assert says in said

    @pytest.mark.parametrize(
        "variable", ["PUSHWOOSH_API_TOKEN", "PUSHWOOSH_API_TOKENS", "WOOSHQ_RATES", "WOOSHQ_CONCURRENCY", "PUSHWOOSH_BASE_URL"]
    )
    def test_the_error_never_shows_the_value(self, refusal: Refusal, variable: str) -> None:
        assert SECRET not in refusal(**{variable: SECRET})

    def test_all_problems_are_reported_at_once(self, refusal: Refusal) -> None:
        lines = refusal(WOOSHQ_CONCURRENCY="0", WOOSHQ_PROBES="0").splitlines()
        assert [line.partition(":")[0] for line in lines] == ["WOOSHQ_CONCURRENCY", "WOOSHQ_PROBES"]

    def test_an_error_of_settings_made_in_python_names_the_variable_too(self) -> None:
        with pytest.raises(ValidationError) as refused:
            Settings(_env_file=None, concurrency=0, api_token=SECRET)  # type: ignore[call-arg, arg-type]
        lines = explain_settings(refused.value)
        assert sorted(line.partition(":")[0] for line in lines) == ["WOOSHQ_API_TOKEN", "WOOSHQ_CONCURRENCY"]
        assert SECRET not in "".join(lines) + str(refused.value)


class WhenTwoSettingsContradictEachOther:
    @pytest.mark.parametrize(
        ("given", "names"),
        [
            ({"http_connect_s": 31}, ["WOOSHQ_HTTP_CONNECT_S", "WOOSHQ_HTTP_READ_S", "WOOSHQ_HTTP_TOTAL_S"]),
            ({"http_read_s": 31}, ["WOOSHQ_HTTP_CONNECT_S", "WOOSHQ_HTTP_READ_S", "WOOSHQ_HTTP_TOTAL_S"]),
            ({"lease_s": 33}, ["WOOSHQ_LEASE_S", "WOOSHQ_HTTP_TOTAL_S", "WOOSHQ_SHORT_RETRY_S"]),
            ({"backoff_base_s": 601}, ["WOOSHQ_BACKOFF_BASE_S", "WOOSHQ_BACKOFF_CEILING_S"]),
            ({"breaker_open_s": 31}, ["WOOSHQ_BREAKER_OPEN_S", "WOOSHQ_BREAKER_CEILING_S"]),
            ({"retention_s": 1}, ["WOOSHQ_RETENTION_S", "WOOSHQ_MAX_AGE_S"]),
            ({"suspect_after": 6}, ["WOOSHQ_SUSPECT_AFTER", "WOOSHQ_POISON_AFTER"]),
        ],
    )
    def test_they_are_refused_and_the_error_names_them(self, given: dict[str, float], names: list[str]) -> None:
        with pytest.raises(ValidationError) as refused:
            Settings(_env_file=None, **given)  # type: ignore[arg-type]
        (line,) = explain_settings(refused.value)
        assert re.findall(r"WOOSHQ_\w+", line) == names


class WhenSettingsAreRead:
    def test_every_variable_is_read_under_its_name_and_under_its_fields_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUSHWOOSH_APPLICATION", "AAAAA-BBBBB")
        monkeypatch.setenv("WOOSHQ_CONCURRENCY", "7")
        settings = load_settings()
        assert (settings.application, settings.concurrency) == ("AAAAA-BBBBB", 7)
        assert variables()["application"] == "PUSHWOOSH_APPLICATION"
        assert variables()["concurrency"] == "WOOSHQ_CONCURRENCY"

    def test_an_empty_variable_is_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (
            "PUSHWOOSH_API_TOKEN",
            "PUSHWOOSH_APPLICATION",
            "WOOSHQ_REDIS_URL",
            "WOOSHQ_BROKER_URL",
            "SENTRY_DSN",
        ):
            monkeypatch.setenv(name, " ")
        settings = load_settings()
        assert (settings.has_token, settings.application, settings.redis_url, settings.broker_url, settings.sentry_dsn) == (
            False,
            *[None] * 4,
        )

    def test_a_token_and_a_limit_of_an_applications_own_are_used_before_the_general_ones(self) -> None:
        settings = Settings(_env_file=None, api_token="T", api_tokens={"A": "TA"}, rate_per_s=5, rates={"A": 2})  # type: ignore[call-arg, arg-type, dict-item]
        tokens = [token.get_secret_value() if (token := settings.token_for(app)) else None for app in ("A", "B")]
        assert (tokens, settings.rate_for("A"), settings.rate_for("B")) == (["TA", "T"], 2, 5)

    @pytest.mark.parametrize(
        ("given", "queue"),
        [({}, "celery"), ({"namespace": "x"}, None), ({"submit_queue": ""}, None), ({"namespace": "x", "submit_queue": "shop"}, "shop")],
    )
    def test_only_the_default_namespace_reads_the_queue_celery(self, given: dict[str, str], queue: str | None) -> None:
        assert Settings(_env_file=None, **given).submit_queue_name == queue  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("host", "is_here"), [("localhost", True), ("127.0.0.9", True), ("::1", True), ("10.0.0.1", False), ("loopback.example", False)]
    )
    def test_only_this_machine_is_loopback(self, host: str, is_here: bool) -> None:
        assert is_loopback(host) is is_here


class WhenSettingsAreMadeInPython:
    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("nonsense", "nonsense is not a setting. The README lists every setting"),
            ("WOOSHQ_REDIS_URL", "WOOSHQ_REDIS_URL is not a setting. Use redis_url"),
            ("lease_seconds", "lease_seconds is not a setting. Use lease_s"),
            ("Redis_Url", "Redis_Url is not a setting. Use redis_url"),
        ],
    )
    def test_an_unknown_name_is_refused(self, name: str, says: str) -> None:
        """It was ignored, and a test then wrote into the real Redis."""
        with pytest.raises(ValidationError) as refused:
            Settings(_env_file=None, **{name: SECRET})  # type: ignore[arg-type]
        assert explain_settings(refused.value) == [says]
        assert SECRET not in str(refused.value)

    def test_what_is_wrong_with_the_others_is_said_too(self) -> None:
        with pytest.raises(ValidationError) as refused:
            Settings(_env_file=None, nonsense=1, lease_s=-1, redis_url="http://x")  # type: ignore[call-arg]
        lines = explain_settings(refused.value)
        assert lines[0] == "nonsense is not a setting. The README lists every setting"
        assert [line.partition(":")[0] for line in lines[1:]] == ["WOOSHQ_REDIS_URL", "WOOSHQ_LEASE_S"]

    def test_variables_of_other_programs_in_the_environment_are_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WOOSHQ_NONSENSE", "1")
        monkeypatch.setenv("PATH_OF_ANOTHER", "1")
        assert Settings(_env_file=None, namespace="shop").namespace == "shop"  # type: ignore[call-arg]

    def test_a_variable_without_our_prefix_may_have_its_own_name(self) -> None:
        assert Settings(_env_file=None, PUSHWOOSH_APPLICATION="AAAAA-BBBBB").application == "AAAAA-BBBBB"  # type: ignore[call-arg]
