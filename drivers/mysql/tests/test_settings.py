"""The settings, and what the client library is given."""

import ssl
from pathlib import Path

import msgspec
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import ConfigurationError
from asynctasq.plugins import DriverFactory


def test_the_address_is_taken_apart() -> None:
    """User, password, host, port and database come from the URL, percent-decoded."""
    settings = MySQLConfig(dsn="mysql://us%40er:p%2Fw@db.example:3307/jo%62s")
    arguments = settings.connect_arguments()
    wanted = {"host": "db.example", "port": 3307, "user": "us@er", "password": "p/w", "db": "jobs"}
    assert {name: arguments[name] for name in wanted} == wanted


def test_fields_stand_before_the_address() -> None:
    """Fields of their own come first; options come from the query."""
    fields = MySQLConfig.from_url("mariadb://a:b@host/one?user=c&database=two&unix_socket=/run/s&max_pool_size=3")
    settings = msgspec.convert(fields | {"password": "d"}, MySQLConfig, strict=False)
    arguments = settings.connect_arguments()
    assert (arguments["user"], arguments["password"], arguments["db"]) == ("c", "d", "two")
    assert (arguments["unix_socket"], settings.max_pool_size) == ("/run/s", 3)


def test_local_files_stay_local() -> None:
    """LOAD DATA LOCAL is off: a hostile server could ask for any file."""
    assert MySQLConfig().connect_arguments()["local_infile"] is False


def test_secrets_never_show() -> None:
    """No password in `repr` of settings and driver."""
    settings = MySQLConfig(dsn="mysql://user:s3cret@host/database", password="s3cret-too")
    assert "s3cret" not in repr(settings) + repr(MySQLDriver(settings))


def test_certificates_are_verified_by_default(tmp_path: Path) -> None:
    """A certificate alone means the strictest mode; `required` encrypts and trusts anybody, and says so."""
    authority = ssl.get_default_verify_paths().cafile
    strict = MySQLConfig(ssl_mode="verify_identity").connect_arguments()["ssl"]
    assert strict.check_hostname
    assert strict.verify_mode == ssl.CERT_REQUIRED
    lax = MySQLConfig(ssl_mode="verify_ca").connect_arguments()["ssl"]
    assert (lax.check_hostname, lax.verify_mode) == (False, ssl.CERT_REQUIRED)
    assert MySQLConfig(ssl_mode="required").connect_arguments()["ssl"].verify_mode == ssl.CERT_NONE
    assert "ssl" not in MySQLConfig().connect_arguments()
    if authority is not None:
        assert MySQLConfig(ssl_ca=authority).connect_arguments()["ssl"].check_hostname
    with pytest.raises(ConfigurationError, match="certificates can't be read"):
        MySQLConfig(ssl_ca=str(tmp_path / "missing.pem")).connect_arguments()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"dsn": "mysql://a/b", "url": "mysql://a/c"}, "two names of one setting"),
        ({"dsn": "mysql://host"}, "no database is named"),
        ({"ssl_mode": "disabled", "ssl_ca": "x.pem"}, "ssl_mode is disabled"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, object], told: str) -> None:
    """What contradicts itself is refused, and told."""
    with pytest.raises(ConfigurationError, match=told):
        MySQLConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "Upper", "semi;colon", "back`quote", "x" * 49, "new\nline"])
def test_table_names_are_identifiers(name: str) -> None:
    """A table's name is lower case, short, and harmless."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"queue_table": name}, MySQLConfig)


def test_a_dead_letter_table_is_accepted_with_one_warning() -> None:
    """`dead_letter_table` has no effect, and one warning says where dead letters live."""
    with pytest.warns(UserWarning, match="dead letters are the rows of `test`.`jobs` whose state is 2") as caught:
        MySQLDriver(MySQLConfig(dead_letter_table="dead_letter_queue", queue_table="jobs"))
    assert len(caught) == 1


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+aiomysql", "mariadb+asyncmy"])
def test_the_factory_knows_the_schemes(scheme: str) -> None:
    """Both schemes, with any client's suffix, give this driver."""
    driver = DriverFactory.create(f"{scheme}://user@host/database?queue_table=jobs")
    assert isinstance(driver, MySQLDriver)
    assert driver.settings.queue_table == "jobs"
    assert driver.settings.connect_arguments()["host"] == "host"
