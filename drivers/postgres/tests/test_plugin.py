"""The plugin module."""

import subprocess
import sys

from asynctasq_postgres.plugin import asynctasq_driver_specs

from asynctasq.driver_api import FEATURE_NAMES, Guarantee


def test_the_plugin_advertises_everything() -> None:
    """All guarantees and features, on asyncio."""
    (spec,) = asynctasq_driver_specs()
    assert (spec.name, set(spec.url_schemes)) == ("postgres", {"postgresql", "postgres"})
    assert (spec.guarantees, spec.features) == (frozenset(Guarantee), FEATURE_NAMES)
    assert spec.event_loops == {"asyncio"}


def test_importing_the_plugin_imports_no_client_library() -> None:
    """Looking at what is installed costs nothing; guests are no dependencies."""
    code = (
        "import sys, asynctasq_postgres.plugin\n"
        "print(sorted({'asyncpg', 'psycopg', 'sqlalchemy'} & set(sys.modules)))\n"
        "import asynctasq_postgres.driver\n"
        "print(sorted({'asyncpg', 'psycopg', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "['asyncpg']"]
