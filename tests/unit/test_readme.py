"""The README says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

from wooshq.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_class() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*)$", README, re.MULTILINE))
    wanted = {}
    for name, info in Settings.model_fields.items():
        alias = info.validation_alias
        variable = alias.choices[0] if alias is not None and not isinstance(alias, str) else f"WOOSHQ_{name.upper()}"  # type: ignore[union-attr]
        default = info.get_default(call_default_factory=True)
        shown = json.dumps(default) if isinstance(default, (dict, bool)) else str(default)
        cell = "" if default is None else f"`{shown}`"
        wanted[variable] = f"{cell} | {info.description} |"
    assert table == wanted


def test_every_python_example_compiles() -> None:
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        compile(example, "README.md", "exec")
