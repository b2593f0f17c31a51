"""The house is in order: folders are small, files and functions are short, and every folder says what may live in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TREES = ("schemas", "tasks", "worker", "tests", "benchmarks", "docs")  # examples are as an app's own code: without packages

MOST_ENTRIES = 14
"""Files and folders of one folder."""
MOST_LINES = 500
"""Of one file."""
MOST_LINES_OF_A_FUNCTION = 60
"""With its signature and its docstring."""

#: Exceptions, each with its reason. One that is no longer needed fails below.
LARGE_FOLDERS = {
    "tasks/wooshq": "each public name that an app imports is an entry: wooshq.aio, wooshq.outbox, wooshq.testing and the like",
    "docs/console": "pictures of each page of the console, light and dark: data",
    "docs": "each page is a subject that people look for by its name",
    "tests/unit": "each room of the packages has a room of the same name here",
    "tests/integration": "each room of the packages has a room of the same name here",
    "worker/wooshq_worker": "`__init__`, `__main__` and `py.typed` must be there; each other entry is a part of the worker that the design names",
    "tests/data/examples": "request bodies of the API's reference, one file each: data",
}
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
FOLDERS_WITHOUT_A_SENTENCE: dict[str, str] = {}


def folders() -> Iterator[Path]:
    for tree in TREES:
        yield from (folder for folder in sorted((REPOSITORY / tree).rglob("**/")) if "__pycache__" not in folder.parts)


def entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.name != "__pycache__" and not entry.name.startswith("."))


def sources(*suffixes: str) -> Iterator[Path]:
    yield from (entry for folder in folders() for entry in entries(folder) if entry.suffix in suffixes)


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file, with how many lines it has."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{name(path)}::{node.name}", node.end_lineno - node.lineno + 1


def test_no_folder_has_more_than_14_entries() -> None:
    assert {name(folder) for folder in folders() if len(entries(folder)) > MOST_ENTRIES} == LARGE_FOLDERS.keys()


def test_no_source_file_has_more_than_500_lines() -> None:
    long = {name(path) for path in sources(".py", ".lua") if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES}
    assert long == LONG_FILES.keys()


def test_no_function_has_more_than_60_lines() -> None:
    long = {where for path in sources(".py") for where, lines in functions(path) if lines > MOST_LINES_OF_A_FUNCTION}
    assert long == LONG_FUNCTIONS.keys()


def test_every_folder_says_in_one_sentence_what_may_live_in_it() -> None:
    silent = set()
    for folder in folders():
        if any(entry.suffix == ".py" for entry in entries(folder)):
            front = folder / "__init__.py"
            said = ast.get_docstring(ast.parse(front.read_text(encoding="utf-8"))) if front.exists() else None
            if not (said or "").partition("\n\n")[0].endswith("."):
                silent.add(name(folder))
    assert silent == FOLDERS_WITHOUT_A_SENTENCE.keys()


@pytest.mark.parametrize("exceptions", [LARGE_FOLDERS, LONG_FILES, LONG_FUNCTIONS, FOLDERS_WITHOUT_A_SENTENCE])
def test_every_exception_has_its_reason(exceptions: dict[str, str]) -> None:
    assert all(exceptions.values())
