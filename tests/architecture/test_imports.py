"""What `import asynctasq` brings along. Measured by module names, not by time."""

import subprocess
import sys

import pytest

HEAVY = {
    "click",
    "rich",
    "starlette",
    "textual",
    "redis",
    "asyncpg",
    "aiomysql",
    "pymysql",
    "aiosqlite",
    "sqlite3",
    "sqlalchemy",
    "django",
    "tortoise",
    "pydantic",
    "opentelemetry",
    "prometheus_client",
    "uvloop",
    "trio",
    "asyncio",
    "ssl",
    "http",
    "multiprocessing",
    "subprocess",
    "importlib.metadata",
    "asynctasq_sqlite",
    "asynctasq_redis",
    "asynctasq_postgres",
    "asynctasq_mysql",
    "asynctasq.runtime",
    "asynctasq.config",
    "asynctasq.app",
    "asynctasq.memory",
    "asynctasq.serializers",
}


def loaded_by(program: str) -> set[str]:
    command = [sys.executable, "-c", f"{program}\nimport sys\nprint('\\n'.join(sys.modules))"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "program", ["import asynctasq", "from asynctasq import task, init, run, AsyncTask, TaskConfig, dispatch_many"]
)
def test_the_package_is_light(program: str) -> None:
    """Defining tasks loads no client library, no command line, no event loop and no configuration."""
    assert loaded_by(program) & HEAVY == set()


def test_configuring_is_light_enough() -> None:
    """`init()` loads the configuration, but no driver, no terminal and no database."""
    light = HEAVY - {"asynctasq.runtime", "asynctasq.config", "asynctasq.app", "asynctasq.serializers"}
    unavoidable = {"asyncio", "ssl", "subprocess", "importlib.metadata", "http"}
    loaded = loaded_by("from asynctasq import init; init(url='memory://')")
    assert loaded & (light - unavoidable) == set()
