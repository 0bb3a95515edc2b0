"""The settings: where they come from, what they refuse, what they never show."""

import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from msgspec import ValidationError, convert

from asynctasq.driver_api import ConfigurationError


def from_url(url: str) -> PostgresConfig:
    """As the core makes settings of a URL."""
    return convert(PostgresConfig.from_url(url), PostgresConfig, strict=False)


def test_a_url_sets_the_dsn_and_its_query_sets_fields() -> None:
    """One URL configures the driver; `url` and `dsn` are one setting."""
    settings = from_url("postgresql://u@h:5433/db?schema=jobs&max_pool_size=20&listen=false&namespace=blue")
    assert (settings.dsn, settings.schema, settings.max_pool_size) == ("postgresql://u@h:5433/db", "jobs", 20)
    assert (settings.listen, settings.namespace) == (False, "blue")
    assert PostgresConfig(url="postgresql://h/db").address == PostgresConfig(dsn="postgresql://h/db").address


def test_unknown_options_are_errors() -> None:
    """A misspelt option is never silently ignored."""
    with pytest.raises(ValidationError, match="max_pool"):
        from_url("postgresql://h/db?max_pool=3")


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg", "postgres+psycopg", "postgresql", "postgres"])
def test_the_client_of_a_scheme_is_dropped(scheme: str) -> None:
    """URLs written for SQLAlchemy work."""
    assert PostgresConfig(dsn=f"{scheme}://u@h/db").address == f"{scheme.partition('+')[0]}://u@h/db"


def test_passwords_never_show() -> None:
    """No `repr` shows a secret: of the settings, of the driver."""
    settings = PostgresConfig(dsn="postgresql://u:hush1@h/db?password=hush2", password="hush3", sslpassword="hush4")
    for shown in (repr(settings), repr(PostgresDriver(settings))):
        assert "hush" not in shown
        assert "***" in shown


def test_tls_options_reach_the_client_library() -> None:
    """asyncpg reads the names of certificate files from the DSN only."""
    settings = PostgresConfig(dsn="postgresql://h/db?application_name=x", sslmode="verify-full", sslrootcert="/a b.pem")
    dsn = settings.connect_arguments()["dsn"]
    assert dsn == "postgresql://h/db?application_name=x&sslmode=verify-full&sslrootcert=%2Fa%20b.pem"


@pytest.mark.parametrize("name", ["Tasks", "1tasks", "a" * 49, "a-b", 'a"b', "a.b", "", "tasks\n"])
@pytest.mark.parametrize("field", ["schema", "queue_table"])
def test_identifiers_are_bounded(field: str, name: str) -> None:
    """A name that would have to be escaped, or that PostgreSQL would cut, is refused."""
    with pytest.raises(ValidationError):
        convert({field: name}, PostgresConfig)


def test_contradictions_are_refused() -> None:
    """Two addresses, or a pool whose minimum is above its maximum."""
    with pytest.raises(ConfigurationError, match="two names of one setting"):
        PostgresConfig(dsn="postgresql://a/db", url="postgresql://b/db")
    with pytest.raises(ConfigurationError, match="min_pool_size"):
        PostgresConfig(min_pool_size=5, max_pool_size=4)


def test_a_dead_letter_table_is_accepted_with_one_warning() -> None:
    """Applications that set it are told where dead letters live."""
    with pytest.warns(UserWarning, match="task_queue_finished.*'dead'") as warned:
        PostgresDriver(PostgresConfig(dead_letter_table="dead_letter_queue"))
    assert len(warned) == 1
