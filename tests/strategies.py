"""Data from outside: any JSON value, values that look like an intent but are not valid, and valid intents of every kind."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wooshq_schemas.intent.model import Intent
from wooshq_schemas.validation.paths import paths_by_name

NAMES = sorted(set(paths_by_name(Intent)))
ODD = ["", "default", "en", "IOS", "2026-05-01T09:00:00Z", "\0", "\ud800", "A", "transactional", "90s", "null"]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(ODD)
keys = st.sampled_from(NAMES) | st.sampled_from(ODD) | st.text(max_size=3)
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=25)
odd_intents = st.fixed_dictionaries({}, optional=dict.fromkeys(Intent.model_fields, json_values))

clean = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
word = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
locales = st.sampled_from(["default", "en", "de", "zh-Hans"])
texts = clean | st.dictionaries(locales, clean, min_size=1)
free = st.dictionaries(
    clean,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | clean,
        lambda i: st.lists(i, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
shared = {
    "icon": clean,
    "badge": st.integers() | clean,
    "ttl_s": st.integers(0, 10**9),
    "buttons": st.lists(free, max_size=2),
    "root_params": free,
    "link": word,
}
override = st.fixed_dictionaries({}, optional={"title": texts, "odd": free, **shared})
push = st.fixed_dictionaries(
    {},
    optional={
        "title": texts,
        "subtitle": texts,
        "body": texts,
        "data": free,
        "voip": st.booleans(),
        "overrides": st.dictionaries(st.sampled_from(["IOS", "ANDROID"]), override),
        **shared,
    },
)
template = (
    st.fixed_dictionaries({"name": word}, optional={"language": word, "parameters": free}) | word | free | st.lists(clean, max_size=2)
)
messages = st.one_of(
    push.map(lambda p: {"push": p}),
    free.map(lambda data: {"push": {"silent": True, "data": data}}),
    st.tuples(st.sampled_from(["sms", "telegram", "line", "kakao", "whatsapp"]), texts).map(lambda t: {t[0]: {"body": t[1]}}),
    st.tuples(st.sampled_from(["kakao", "whatsapp"]), template).map(lambda t: {t[0]: {"template": t[1]}}),
    st.fixed_dictionaries({"body": clean}, optional={"subject": texts, "from": st.fixed_dictionaries({}, optional={"name": clean})}).map(
        lambda e: {"email": e}
    ),
    word.map(lambda code: {"preset": code}),
)
lists = st.tuples(st.sampled_from(["users", "hwids", "push_tokens", "test_devices"]), st.lists(word, min_size=1, max_size=4)).map(
    lambda t: {t[0]: t[1]}
)
targets = lists | word.map(lambda w: {"segment": w}) | word.map(lambda w: {"expression": w}) | free.map(lambda f: {"filter": f})
intents = st.fixed_dictionaries(
    {"to": targets, "message": messages},
    optional={
        "id": st.uuids().filter(lambda u: u.int != 0).map(str),
        "schedule": st.sampled_from([{"at": "2027-01-01T00:00:00Z"}, {"after": "1.5s"}]),
        "send_rate": st.fixed_dictionaries({"value": st.integers(1, 999)}),
        "frequency_capping": st.fixed_dictionaries({"days": st.integers(1, 30)}),
        "campaign": word,
        "placeholders": st.dictionaries(clean, clean, max_size=2),
        "meta_data": free,
        "message_type": st.sampled_from(["MESSAGE_TYPE_MARKETING", "MESSAGE_TYPE_TRANSACTIONAL"]),
        "lane": st.sampled_from(["transactional", "bulk"]),
        "on_unknown": st.sampled_from(["resend", "dead_letter"]),
        "tags": st.dictionaries(word, clean, max_size=2),
    },
)


def drawn(strategy: st.SearchStrategy[Any], n: int) -> list[Any]:
    """`n` examples of a strategy, the same ones in every run."""
    found: list[Any] = []

    @settings(max_examples=n, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found
