"""Which driver is used, and where its settings come from."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from asynctasq.config import Config, resolve, set_current, set_flags
from asynctasq.errors import ConfigurationError, DriverNotFound
from asynctasq.plugins.driver_factory import driver_config_class
from tests.fixtures.distributions import Distributions


@pytest.fixture(autouse=True)
def acme(bare: Distributions) -> None:
    bare.install("acme-queue", "acme_driver", drivers="acme acmes")


def resolved(
    code: Mapping[str, Any] | None = None,
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    dotenv_path: Path | None = None,
) -> Config:
    return resolve(code or {}, flags=flags, environ=environ or {}, dotenv_path=dotenv_path)


def settings(config: Config) -> Any:
    return config.driver_settings()


@pytest.mark.parametrize(
    ("keywords", "origin"),
    [
        ({"code": {"driver": "acme"}}, "code (driver)"),
        ({"code": {"url": "acme://host"}}, "code (url)"),
        ({"code": {"acme": {"size": 1}}}, "the only driver with settings (acme.size)"),
        ({"environ": {"ASYNCTASQ_DRIVER": "acme"}}, "environment (ASYNCTASQ_DRIVER)"),
        ({"environ": {"ASYNCTASQ_URL": "acme://host"}}, "environment (ASYNCTASQ_URL)"),
        ({"environ": {"ASYNCTASQ_ACME_SIZE": "1"}}, "the only driver with settings (ASYNCTASQ_ACME_SIZE)"),
        ({"flags": {"--driver": "acme"}}, "flag (--driver)"),
        ({"flags": {"--acme-size": "1"}}, "the only driver with settings (--acme-size)"),
        ({}, "default"),
    ],
)
def test_the_driver_is_named_or_is_the_only_one_with_settings(keywords: dict[str, Any], origin: str) -> None:
    """In code, environment, `.env` or flags; with nothing at all it is sqlite."""
    config = resolved(**keywords)
    assert config.driver == ("acme" if keywords else "sqlite")
    assert str(config.origins["driver"]) == origin


def test_a_settings_object_counts_as_settings() -> None:
    """`init({"acme": AcmeConfig(...)})` needs no `driver=`."""
    config = resolved({"acme": driver_config_class("Acme")(namespace="shop")})
    assert (config.driver, settings(config).namespace) == ("acme", "shop")
    assert resolved({"acme": {}}).driver == "acme"


def test_several_drivers_with_settings_are_an_error_that_names_them() -> None:
    """Guessing would put tasks where nobody looks."""
    with pytest.raises(
        ConfigurationError, match=r"acme \(acme\.size\) and redis \(ASYNCTASQ_REDIS_URL\), and none is chosen"
    ):
        resolved({"acme": {"size": 1}}, environ={"ASYNCTASQ_REDIS_URL": "redis://host"})
    chosen = resolved({"acme": {"size": 1}, "driver": "acme"}, environ={"ASYNCTASQ_REDIS_URL": "redis://host"})
    assert chosen.driver == "acme"


def test_settings_of_our_own_driver_that_is_missing_are_not_passed_over() -> None:
    """Falling back to sqlite would hide a forgotten installation."""
    with pytest.raises(DriverNotFound, match=r'pip install "asynctasq\[redis\]"'):
        resolved(environ={"ASYNCTASQ_REDIS_URL": "redis://host"})


def test_with_nothing_configured_and_sqlite_missing_the_error_is_the_command() -> None:
    """A first run needs one command more, and is told which."""
    config = resolved()
    with pytest.raises(
        DriverNotFound, match=r'nothing is configured, .*pip install "asynctasq\[sqlite\]", or set ASYNCTASQ_URL'
    ):
        config.driver_settings()


@pytest.mark.parametrize("keywords", [{"code": {"driver": "acmee"}}, {"environ": {"ASYNCTASQ_URL": "acmee://host"}}])
def test_a_driver_that_is_not_installed_is_known_at_once(keywords: dict[str, Any]) -> None:
    """Not only at the first dispatch."""
    with pytest.raises(DriverNotFound, match=r"no driver 'acmee' is installed.*did you mean acmes?\?"):
        resolved(**keywords)


def test_one_place_that_contradicts_itself_is_an_error_and_a_stronger_place_wins() -> None:
    """`--driver` over `ASYNCTASQ_URL` is an override; both in one place are a mistake."""
    with pytest.raises(
        ConfigurationError, match=r"ASYNCTASQ_DRIVER is 'memory', but ASYNCTASQ_URL is acme://u:\*\*\*@h"
    ):
        resolved(environ={"ASYNCTASQ_DRIVER": "memory", "ASYNCTASQ_URL": "acme://u:geheim@h"})
    assert resolved(flags={"--driver": "memory"}, environ={"ASYNCTASQ_URL": "acme://host"}).driver == "memory"
    assert resolved(environ={"ASYNCTASQ_DRIVER": "acme", "ASYNCTASQ_URL": "acmes://host"}).driver == "acme"


def test_a_drivers_settings_come_from_all_places(tmp_path: Path) -> None:
    """Flags, code, environment, `.env` and the URL, without a line of code in the driver."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("ASYNCTASQ_ACME_NAMESPACE=dotenv\nASYNCTASQ_ACME_PASSWORD=geheim\n")
    config = resolved(
        {"acme": {"hosts": ["a", "b"]}},
        flags={"--acme-verify": "off"},
        environ={"ASYNCTASQ_URL": "acme://host?size=3", "ASYNCTASQ_ACMES_NAMESPACE": "environment"},
        dotenv_path=dotenv,
    )
    found = settings(config)
    assert (found.url, found.size, found.hosts, found.verify, found.namespace, found.password) == (
        "acme://host",
        3,
        ("a", "b"),
        False,
        "environment",
        "geheim",
    )
    shown = {row.name: (row.value, str(row.origin)) for row in config.shown()}
    assert shown["acme.url"] == ("acme://host", "environment (ASYNCTASQ_URL)")
    assert shown["acme.size"] == (3, "environment (ASYNCTASQ_URL, option `size`)")
    assert shown["acme.password"] == ("***", ".env (ASYNCTASQ_ACME_PASSWORD)")
    assert shown["acme.verify"] == (False, "flag (--acme-verify)")
    assert shown["worker.lease"] == (30.0, "default")
    assert "geheim" not in repr(config)
    assert "geheim" not in repr(config.origins)
    for value in (config, config.driver_settings()):  # rich reads fields, not `repr`
        assert "geheim" not in render(value)
        assert "acme" in render(value)


def render(value: object) -> str:
    """As rich prints it, with the locals of a traceback for instance."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(value)
    return console.export_text()


def test_a_url_of_a_weaker_place_fills_what_a_stronger_one_leaves_open() -> None:
    """Field by field, as everywhere; a URL for another driver fills nothing."""
    environ = {"ASYNCTASQ_URL": "acme://environment?size=3"}
    assert settings(resolved({"acme": {"url": "acme://code"}}, environ=environ)).url == "acme://code"
    assert settings(resolved({"acme": {"url": "acme://code"}}, environ=environ)).size == 3
    other = {"ASYNCTASQ_URL": "memory://"}
    assert settings(resolved({"driver": "acme"}, environ=other)).url == "acme://localhost"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"ASYNCTASQ_URL": "acme://a", "ASYNCTASQ_ACME_URL": "acme://b"},
            "ASYNCTASQ_URL and ASYNCTASQ_ACME_URL both set `url`, to different values",
        ),
        ({"ASYNCTASQ_ACME_SIZE": "1", "ASYNCTASQ_ACMES_SIZE": "2"}, "set the same; wanted one of them"),
        ({"ASYNCTASQ_ACME_SIZE": "99"}, "ASYNCTASQ_ACME_SIZE is '99'; wanted a whole number from 1 to 15"),
        ({"ASYNCTASQ_ACME_SIEZ": "9"}, r"ASYNCTASQ_ACME_SIEZ: acme has no such .*mean ASYNCTASQ_ACME_SIZE\?"),
        ({"ASYNCTASQ_ACME": "acme://x"}, "ASYNCTASQ_ACME: acme has no such setting"),
        ({"ASYNCTASQ_URL": "acme://h?size=99"}, "ASYNCTASQ_URL, option `size` is '99'; wanted"),
        ({"ASYNCTASQ_URL": "env:NOWHERE"}, "ASYNCTASQ_URL is 'env:NOWHERE', but the variable NOWHERE is not set"),
        ({"ASYNCTASQ_ACME_PASSWORD_FILE": "/nowhere/at/all"}, "ASYNCTASQ_ACME_PASSWORD_FILE is .*can't be read"),
    ],
)
def test_a_wrong_setting_of_a_driver_is_one_clear_error(environ: dict[str, str], message: str) -> None:
    """As for the core's own: who said it, what, and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        resolved(environ=environ).driver_settings()


def test_a_url_may_name_another_variable_and_nothing_else_reads_it(tmp_path: Path) -> None:
    """`DATABASE_URL` is never read silently."""
    assert resolved(environ={"DATABASE_URL": "acme://host"}).driver == "sqlite"
    environ = {"DATABASE_URL": "acme://host?size=2", "ASYNCTASQ_URL": "env:DATABASE_URL"}
    config = resolved(environ=environ)
    assert (config.driver, config.url, settings(config).size) == ("acme", "acme://host?size=2", 2)
    dotenv = tmp_path / ".env"
    dotenv.write_text("DATABASE_URL=acme://dotenv\nASYNCTASQ_URL=env:DATABASE_URL\n")
    assert settings(resolved(dotenv_path=dotenv)).url == "acme://dotenv"


def test_any_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """As orchestrators mount them, with the line end that editors add; one of two ways, not both."""
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    url = tmp_path / "url"
    url.write_text("acme://u:geheim@host\n")
    environ = {"ASYNCTASQ_ACME_PASSWORD_FILE": str(secret), "ASYNCTASQ_URL_FILE": str(url)}
    found = settings(resolved(environ=environ))
    assert (found.password, found.url) == ("geheim", "acme://u:geheim@host")
    with pytest.raises(ConfigurationError, match=r"PASSWORD.* and ASYNCTASQ_ACME_PASSWORD.* set the same"):
        resolved(environ={**environ, "ASYNCTASQ_ACME_PASSWORD": "x"}).driver_settings()
    with pytest.raises(ConfigurationError, match="ASYNCTASQ_ACME_SIZE_FILE: acme has no such setting"):
        resolved(environ={"ASYNCTASQ_ACME_SIZE_FILE": str(secret)}).driver_settings()


def test_a_driver_that_is_not_used_is_not_loaded(bare: Distributions) -> None:
    """Not even to look at its variables."""
    bare.install("broken-queue", "broken_import", drivers="broken")
    config = resolved({"driver": "acme"}, environ={"ASYNCTASQ_BROKEN_URL": "broken://x"})
    assert settings(config).size == 5


def test_the_settings_of_another_driver_in_the_wrong_group_are_refused() -> None:
    """`acme=MemoryConfig()` is a mistake."""
    config = resolved({"acme": driver_config_class("Memory")()})
    with pytest.raises(ConfigurationError, match="acme is of type MemoryConfig; wanted AcmeConfig or a mapping"):
        config.driver_settings()


def test_flags_outlive_the_applications_own_init(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command line reads flags first; the application that it imports then calls `init()`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASYNCTASQ_URL", raising=False)
    try:
        set_flags({"--url": "acme://flag", "--lease": 5})
        assert Config.get().driver_settings().redacted()["url"] == "acme://flag"
        config = Config.set(url="memory://", worker={"lease": 7, "grace": 8})
        assert Config.get() is config
        assert (config.driver, config.worker.lease, config.worker.grace) == ("acme", 5, 8)
    finally:
        set_flags({})
        set_current(None)


def test_a_driver_is_shown_by_its_own_name() -> None:
    """Whatever scheme picked it."""
    shown = {row.name: row.value for row in resolved({"url": "acmes://u:geheim@host"}).shown()}
    assert (shown["driver"], shown["url"]) == ("acme", "acmes://u:***@host")


def test_a_configured_driver_opens_with_its_settings() -> None:
    """One call from configuration to driver."""
    driver: Any = resolved({"url": "acme://host?size=4"}).open_driver()
    assert driver.settings.size == 4
