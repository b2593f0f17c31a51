"""The reference page: every call of the OpenAPI document as plain HTML. Without scripts, and nothing is loaded from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from wooshq_worker.console.api.shapes import Json

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
STYLE: Final = """\
:root { color-scheme: light dark; --line: light-dark(#d6dbe1, #3a4149); --soft: light-dark(#f4f6f8, #1b2026); }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); } h3 { margin: 1.8rem 0 .3rem; font-size: 1rem; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; } pre { padding: .75rem; overflow-x: auto; background: var(--soft); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; } td { padding: .3rem .6rem .3rem 0; vertical-align: top; border-top: 1px solid var(--line); }
nav ul { columns: 16rem; padding-left: 1rem; } .method { display: inline-block; min-width: 3.5rem; font-weight: 700; }
"""


def page(document: Json) -> str:
    """The page of a document."""
    return "\n".join(_page(document))


def _page(document: Json) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield '<title>wooshq: HTTP API</title><link rel="stylesheet" href="reference.css"></head><body>'
    yield f"<h1>wooshq: HTTP API</h1>{_paragraphs(info['description'])}"
    yield '<p>For machines: <a href="../openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    calls = [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]
    yield "<nav><ul>"
    yield from (f'<li><a href="#{one["operationId"]}">{escape(one["summary"])}</a></li>' for _, _, one in calls)
    yield "</ul></nav>"
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>"
        for path, method, one in calls:
            if tag["name"] in one["tags"]:
                yield from _call(path, method, one)
    yield "<h2>Objects</h2>"
    for name, schema in document["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>{_paragraphs(schema.get("description", ""))}'
        yield f"<details><summary>JSON Schema</summary><pre>{text}</pre></details>"
    yield "</body></html>"


def _call(path: str, method: str, one: Json) -> Iterator[str]:
    yield f'<h3 id="{one["operationId"]}"><code><span class="method">{method.upper()}</span> {escape(path)}</code></h3>'
    yield f"<p>{escape(one['summary'])}</p>{_paragraphs(one['description'])}"
    if parameters := one.get("parameters"):
        yield "<table>"
        for p in parameters:
            needed = ", required" if p["required"] else ""
            yield f"<tr><td><code>{escape(p['name'])}</code></td><td>{p['in']}{needed}</td><td>{_inline(p.get('description', ''))}</td></tr>"
        yield "</table>"
    for media_type, content in one.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(media_type)}</code> {_named(content['schema'])}</p>"
        for name, example in content.get("examples", {}).items():
            text = escape(json.dumps(example["value"], indent=2, ensure_ascii=False))
            yield f"<p>Example: {escape(name)}</p><pre>{text}</pre>"
    answers = {status: said for status, said in one["responses"].items() if "$ref" not in said}
    for status, said in answers.items():
        kinds = ", ".join(f"<code>{escape(kind)}</code> {_named(c['schema'])}" for kind, c in said.get("content", {}).items())
        headers = ", ".join(f"<code>{escape(name)}</code>" for name in said.get("headers", {}))
        yield f"<p>Answer {status}: {kinds}{f' with {headers}' if headers else ''}</p>"
    errors = ", ".join(status for status in one["responses"] if status not in answers)
    yield f"<p>Errors: {errors}, as <code>application/problem+json</code> {_named({'$ref': '/ProblemDetails'})}</p>"


def _named(schema: dict[str, Any]) -> str:
    if "$ref" not in schema:
        return _inline(schema.get("description", ""))
    name = escape(schema["$ref"].rpartition("/")[2])
    return f'<a href="#schema-{name}">{name}</a>'


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part.strip())


def _inline(text: str) -> str:
    """Text with its backticks as code."""
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(escape(text).split("`")))
