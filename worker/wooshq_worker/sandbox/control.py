"""Control over HTTP, under /sandbox: reads what arrived, and changes how the sandbox answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from wooshq_worker.sandbox.answers import bad_request, envelope, http_answer, json_bytes
from wooshq_worker.sandbox.bad_control import BadControl
from wooshq_worker.sandbox.body.strict_json import NotJson, read_json
from wooshq_worker.sandbox.call_log import Call
from wooshq_worker.sandbox.stand_in import StandIn
from wooshq_worker.sandbox.wire import Request

CONTROL = "/sandbox"
CALLS_DEFAULT = 100
CALLS_MOST = 10_000


def control(stand_in: StandIn, request: Request) -> bytes:
    """The answer to a control request: 200 with JSON, or an error body that says what is wrong."""
    methods = ROUTES.get(request.path.rstrip("/"))
    if methods is None:
        return http_answer(404, envelope(5, f"unknown path; use one of {', '.join(ROUTES)}"))
    handler = methods.get(request.method)
    if handler is None:
        return http_answer(405, envelope(12, "Method Not Allowed"), [("Allow", ", ".join(methods))])
    if request.too_large:
        return http_answer(413, envelope(3, "the body is too large"))
    try:
        return http_answer(200, json_bytes(handler(stand_in, request)))
    except BadControl as error:
        pairs = [(field, why) for field, _, why in (problem.partition(": ") for problem in error.problems)]
        return http_answer(400, envelope(3, str(error), [bad_request(pairs)]))


def _index(_: StandIn, __: Request) -> Any:
    return {"controls": [f"{method} {path}" for path, methods in ROUTES.items() for method in methods], "examples": EXAMPLES}


# ── reading


def _calls(stand_in: StandIn, request: Request) -> Any:
    """
    The calls, oldest first. Filters: since (epoch seconds), after (order number), application, recipient, status, accepted; limit; count.

    `count`: how many calls match. If the answer does not have all of them, `more` says how many are left. Ask for those with after=`next`.
    """
    if stand_in.recording == "none":
        raise BadControl('record: this sandbox keeps only counts; start it with record="all" or "light"')
    query = _query(request, {"since", "after", "application", "recipient", "status", "accepted", "limit", "count"})
    since = _number(query, "since", float, 0.0)
    after = _number(query, "after", int, 0)
    limit = _number(query, "limit", int, CALLS_DEFAULT)
    if not 1 <= limit <= CALLS_MOST:
        raise BadControl(f"limit: must be from 1 to {CALLS_MOST}")
    application, recipient = query.get("application"), query.get("recipient")
    if recipient is not None and stand_in.recording != "all":
        raise BadControl('recipient: this sandbox keeps no recipients; start it with record="all"')
    status = _number(query, "status", int, None)
    accepted = _yes_or_no(query, "accepted")

    def matches(call: Call) -> bool:
        return (
            call.at >= since
            and call.order > after
            and (application is None or call.application == application)
            and (recipient is None or recipient in call.recipients)
            and (status is None or call.status == status)
            and (accepted is None or call.accepted == accepted)
        )

    matched = [call for call in stand_in.calls if matches(call)]
    if _yes_or_no(query, "count"):
        return {"count": len(matched)}
    shown, more = matched[:limit], len(matched) - limit
    answer: dict[str, Any] = {"calls": [call.as_dict() for call in shown], "count": len(matched)}
    return answer | {"more": more, "next": shown[-1].order} if more > 0 else answer


def _summary(stand_in: StandIn, _: Request) -> Any:
    return stand_in.summary()


def _cancels(stand_in: StandIn, _: Request) -> Any:
    return {"cancels": [cancel.as_dict() for cancel in stand_in.cancels]}


def _faults(stand_in: StandIn, _: Request) -> Any:
    return {"faults": stand_in.faults()}


# ── changing


def _set_faults(stand_in: StandIn, request: Request) -> Any:
    """`{"faults": [rule, …]}`: replaces all fault rules."""
    body = _body(request, {"faults"})
    rules = body.get("faults")
    if not isinstance(rules, list):
        raise BadControl("faults: must be a list of fault rules")
    stand_in.set_faults(*rules)
    return {"faults": stand_in.faults()}


def _clear_faults(stand_in: StandIn, _: Request) -> Any:
    stand_in.clear_faults()
    return {"faults": []}


def _tokens(stand_in: StandIn, request: Request) -> Any:
    """`valid` (token → true or a list of applications) replaces all tokens; then `revoke` and `restore` (each `{token, application?}`)."""
    body = _body(request, {"valid", "revoke", "restore"})
    if not body:
        raise BadControl("valid, revoke or restore: at least one is required")
    valid = body.get("valid")
    if valid is not None and not (isinstance(valid, dict) and all(only is True or _are_texts(only) for only in valid.values())):
        raise BadControl("valid: must be an object: token → true or a list of applications")
    changes = {name: _tokens_of(body, name) for name in ("revoke", "restore")}
    if valid is not None:
        stand_in.set_tokens({token: None if only is True else only for token, only in valid.items()})
    for token, application in changes["revoke"]:
        stand_in.revoke(token, application)
    for token, application in changes["restore"]:
        stand_in.restore(token, application)
    return {}


def _tokens_of(body: Mapping[str, Any], name: str) -> list[tuple[str, str | None]]:
    """The pairs of token and application (None: all) in one field of the body."""
    given = body.get(name, [])
    wrong = BadControl(f'{name}: must be {{"token": "…"}}, optionally with "application", or a list of such objects')
    pairs: list[tuple[str, str | None]] = []
    for entry in given if isinstance(given, list) else [given]:
        if not isinstance(entry, dict) or not isinstance(entry.get("token"), str) or not entry.keys() <= {"token", "application"}:
            raise wrong
        application = entry.get("application")
        if "application" in entry and not isinstance(application, str):
            raise wrong
        pairs.append((entry["token"], application))
    return pairs


def _unknown(stand_in: StandIn, request: Request) -> Any:
    """`{"identifiers": […]}`: replaces the recipients that the API does not know."""
    names = _texts(_body(request, {"identifiers"}), "identifiers")
    stand_in.set_unknown(names)
    return {"identifiers": len(names)}


def _refusals(stand_in: StandIn, request: Request) -> Any:
    """`{"recipients": […], "naming": bool, "applications": {code: 404 or 403}}`: replaces the given lists and keeps the others."""
    body = _body(request, {"recipients", "naming", "applications"})
    if not body.keys() & {"recipients", "applications"}:
        raise BadControl("recipients or applications: at least one is required")
    naming = body.get("naming", True)
    if not isinstance(naming, bool):
        raise BadControl("naming: must be true or false")
    names = _texts(body, "recipients") if "recipients" in body else None
    if "applications" in body:
        applications = body["applications"]
        if not isinstance(applications, dict):
            raise BadControl("applications: must be an object: code → 404 or 403")
        stand_in.refuse_applications(applications)
    if names is not None:
        stand_in.refuse(names, naming=naming)
    return {}


def _messages(stand_in: StandIn, request: Request) -> Any:
    """`{"pending": […], "sent": […]}`: message codes that can be cancelled, and codes that cannot be cancelled any more."""
    body = _body(request, {"pending", "sent"})
    if not body:
        raise BadControl("pending or sent: at least one is required")
    pending, sent = (_texts(body, name) if name in body else [] for name in ("pending", "sent"))
    stand_in.set_messages(pending=pending, sent=sent)
    return {}


def _reset(stand_in: StandIn, _: Request) -> Any:
    stand_in.reset()
    return {}


Handler = Callable[[StandIn, Request], Any]
ROUTES: Mapping[str, Mapping[str, Handler]] = {
    CONTROL: {"GET": _index},
    f"{CONTROL}/calls": {"GET": _calls},
    f"{CONTROL}/summary": {"GET": _summary},
    f"{CONTROL}/cancels": {"GET": _cancels},
    f"{CONTROL}/messages": {"POST": _messages},
    f"{CONTROL}/faults": {"GET": _faults, "POST": _set_faults, "DELETE": _clear_faults},
    f"{CONTROL}/tokens": {"POST": _tokens},
    f"{CONTROL}/unknown": {"POST": _unknown},
    f"{CONTROL}/refusals": {"POST": _refusals},
    f"{CONTROL}/reset": {"POST": _reset},
}

EXAMPLES: Mapping[str, Any] = {
    f"GET {CONTROL}/calls": "?recipient=user-7&limit=10",
    f"POST {CONTROL}/faults": {"faults": [{"effect": "status", "status": 503}]},
    f"POST {CONTROL}/tokens": {"revoke": {"token": "sandbox-token"}},
    f"POST {CONTROL}/unknown": {"identifiers": ["user-7"]},
    f"POST {CONTROL}/refusals": {"recipients": ["user-7"]},
    f"POST {CONTROL}/messages": {"sent": ["AAAA-BBBBBBBB-CCCCCCCC"]},
}
"""An example body, or query for a GET. The other controls take neither."""


# ── parsing a control request


def _body(request: Request, allowed: Iterable[str]) -> dict[str, Any]:
    try:
        body = read_json(request.body)
    except NotJson as error:
        raise BadControl(f"body: {error}") from None
    if not isinstance(body, dict):
        raise BadControl("body: must be an object")
    extra = sorted(body.keys() - set(allowed))
    if extra:
        raise BadControl(*(f"{name}: unknown field; use {', '.join(sorted(allowed))}" for name in extra))
    return body


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    value = body.get(name)
    if not isinstance(value, list) or not _are_texts(value):
        raise BadControl(f"{name}: must be a list of strings")
    return value


def _query(request: Request, allowed: set[str]) -> dict[str, str]:
    query = dict(parse_qsl(request.target.partition("?")[2], keep_blank_values=True))
    extra = sorted(query.keys() - allowed)
    if extra:
        raise BadControl(*(f"{name}: unknown filter; use {', '.join(sorted(allowed))}" for name in extra))
    return query


def _number(query: Mapping[str, str], name: str, read: Callable[[str], Any], default: float | None) -> Any:
    if name not in query:
        return default
    try:
        return read(query[name])
    except ValueError:
        raise BadControl(f"{name}: must be a number") from None


def _yes_or_no(query: Mapping[str, str], name: str) -> bool | None:
    value = query.get(name)
    if value is None:
        return None
    if value not in ("", "true", "false", "1", "0"):
        raise BadControl(f"{name}: must be true or false")
    return value in ("", "true", "1")
