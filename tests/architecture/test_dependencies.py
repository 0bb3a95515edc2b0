"""Every distribution declares what it imports: a development environment has more than a user's."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {
    "asynctasq": ROOT,
    "asynctasq_conformance": ROOT / "conformance",
    **{f"asynctasq_{folder.name}": folder for folder in sorted((ROOT / "drivers").iterdir()) if folder.is_dir()},
}
IMPORTED_AS = {"python-dotenv": "dotenv"}
COMES_WITH = {"redis": {"hiredis"}, "aiomysql": {"pymysql"}}
"""What a requirement brings along as a part of itself."""
GUESTS = {
    "asynctasq": {"uvloop", "sqlalchemy", "django", "tortoise", "pytest"},
    "asynctasq_postgres": {"psycopg", "sqlalchemy"},
    "asynctasq_mysql": {"sqlalchemy"},
    "asynctasq_sqlite": {"sqlalchemy"},
}
"""Libraries of the application's own: met only where the application has brought them."""


def imported(path: Path) -> set[str]:
    """What a module imports while it runs, wherever in it the import stands."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def declared(folder: Path) -> set[str]:
    """The import names of what a `pyproject.toml` requires, extras included."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    requirements = [*project.get("dependencies", ())]
    for extra in project.get("optional-dependencies", {}).values():
        requirements += extra
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in requirements}
    names |= {part for name in names for part in COMES_WITH.get(name, ())}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_what_is_imported_is_declared(package: str) -> None:
    """Whoever installs a distribution alone has everything that its modules import; all stand on the core."""
    folder = DISTRIBUTIONS[package]
    known = sys.stdlib_module_names | declared(folder) | declared(ROOT) | GUESTS.get(package, set()) | {package}
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((folder / package).rglob("*.py"))
        for name in imported(path) - known
    }
    assert not undeclared
