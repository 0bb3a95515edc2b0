"""Rules of the house that import-linter can't say."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "asynctasq"
NAMES_ASYNCIO = {
    CORE / "runtime" / "process_pool.py",
    CORE / "runtime" / "process_child.py",
    CORE / "event_loop.py",
}
PACKAGES = [
    CORE,
    ROOT / "conformance" / "asynctasq_conformance",
    *sorted(path for path in (ROOT / "drivers").glob("*/asynctasq_*") if path.is_dir()),
]


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_is_anyio(path: Path) -> None:
    """The core names neither asyncio nor trio, outside the process pool and the uvloop runner."""
    loops = {name.split(".")[0] for name in imported_modules(path)} & {"asyncio", "trio", "uvloop"}
    assert not loops or path in NAMES_ASYNCIO


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_modules_are_read_in_one_sitting(package: Path) -> None:
    """No module of the project has more than 400 lines."""
    long = {
        str(path.relative_to(ROOT)): n for path in package.rglob("*.py") if (n := path.read_text().count("\n")) > 400
    }
    assert not long


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_functions_fit_a_screen(package: Path) -> None:
    """No function of the project has more than 60 lines."""
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 60
    }
    assert not long


def test_no_package_shadows_a_client_library() -> None:
    """`drivers/redis` is a folder, not a package: an `__init__.py` there would hide the real `redis`."""
    assert not list((ROOT / "drivers").glob("__init__.py"))
    assert not list((ROOT / "drivers").glob("*/__init__.py"))


STATEMENT = re.compile(
    r"SELECT .*\bFROM |INSERT INTO |REPLACE INTO |MERGE INTO |UPDATE \S+ SET |DELETE FROM |WITH (RECURSIVE )?\S+ AS "
    r"|(CREATE|ALTER|DROP) (OR REPLACE |UNIQUE )?(TABLE|INDEX|VIEW|TRIGGER|FUNCTION|PROCEDURE) "
    r"|TRUNCATE |CALL |LOCK TABLE "
)
"""What touches tables. A ping (`SELECT 1`), a bare call (`SELECT pg_advisory_lock(...)`) and `COMMIT` do not."""


def test_statements_stand_in_files_of_their_own() -> None:
    """What reads or writes tables and keys is not written inside Python: each driver ships it as files."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in PACKAGES[2:]
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.expr) and _is_statement(_text_of(node))
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        '"SELECT id FROM task"', 'f"SELECT {columns} FROM {table} WHERE id = $1"', 'f"  UPDATE {table} SET state = 3"',
        '"SELECT id\\nFROM task"', '"WITH due AS (SELECT 1) SELECT 2"', 'f"CREATE TABLE {name} (id int)"',
        "'return redis.call(\"GET\", KEYS[1])'",
    ],
)  # fmt: skip
def test_the_rule_about_statements_sees_them(code: str) -> None:
    """Whether a name in the statement is filled in or not, and on however many lines it stands."""
    assert _is_statement(_text_of(ast.parse(code, mode="eval").body))


def _text_of(node: ast.expr) -> str:
    """The text of a literal; what an f-string fills in is a question mark."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_statement(text: str) -> bool:
    return "redis.call(" in text or STATEMENT.match(" ".join(text.split()) + " ") is not None
