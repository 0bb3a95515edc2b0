"""`DriverFactory.create`: names, URLs, settings, and what a connected driver may claim."""

import subprocess
import sys
from enum import Enum, StrEnum
from typing import Any, cast

import pytest
from msgspec import structs

from asynctasq.contract.driver import Driver
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import ConfigurationError, PluginInvalid
from asynctasq.plugins.driver_factory import DriverFactory, driver_config_class, verify_traits
from asynctasq.plugins.settings import DriverSettings
from tests.fixtures.distributions import Distributions


@pytest.fixture
def acme(distributions: Distributions) -> None:
    distributions.install("acme-queue", "acme_driver", drivers="acme acmes")


def settings_of(driver: Driver) -> dict[str, Any]:
    return structs.asdict(cast(Any, driver).settings)


@pytest.mark.usefixtures("acme")
def test_a_name_alone_gives_the_defaults() -> None:
    """Synchronous, and not connected: the environment is not read."""
    assert settings_of(DriverFactory.create("acme")) == {
        "namespace": "asynctasq",
        "url": "acme://localhost",
        "password": None,
        "size": 5,
        "verify": True,
        "hosts": (),
    }


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("acme://u:p@host:1/x?size=3&hosts=a,b&namespace=shop", "acme://u:p@host:1/x"),
        ("acmes://host?size=3&hosts=a,b&namespace=shop", "acmes://host"),
        ("acme+client://host?size=3&hosts=a,b&namespace=shop", "acme://host"),
        ("acme+cluster://host?size=3&hosts=a,b&namespace=shop", "acme+cluster://host"),
        ("acme:////absolute/file?size=3&hosts=a,b&namespace=shop", "acme:////absolute/file"),
    ],
)
def test_a_url_gives_address_and_options(url: str, address: str) -> None:
    """The query becomes fields; a `+client` is taken off unless the driver lists the scheme with it."""
    settings = settings_of(DriverFactory.create(url))
    assert (settings["url"], settings["size"], settings["hosts"], settings["namespace"]) == (
        address,
        3,
        ("a", "b"),
        "shop",
    )


@pytest.mark.usefixtures("acme")
def test_settings_come_whole_in_part_or_one_by_one() -> None:
    """Keywords win over a mapping or an object, and a mapping over the URL."""
    config_class: Any = driver_config_class("Acme")
    assert settings_of(DriverFactory.create("acme", config_class(size=7)))["size"] == 7
    assert settings_of(DriverFactory.create("acme", config_class(size=7), size=8))["size"] == 8
    assert settings_of(DriverFactory.create("acme", {"size": "9"}))["size"] == 9
    both = settings_of(DriverFactory.create("acme://host?size=1&verify=off", {"size": 2}, hosts=("a",)))
    assert (both["url"], both["size"], both["verify"], both["hosts"]) == ("acme://host", 2, False, ("a",))


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("kind", [Enum, StrEnum])
def test_a_member_of_an_enum_is_a_name(kind: type[Enum]) -> None:
    """Existing applications pass `DriverType.ACME`."""
    driver_type: Any = kind("DriverType", {"ACME": "acme"})
    assert isinstance(DriverFactory.create(driver_type.ACME), Driver)


class OtherConfig(DriverSettings, frozen=True, kw_only=True):
    """The settings of some other driver."""


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (("acme://host?siez=1",), {}, r"the URL's option `siez`: acme has no such setting; did you mean .*`size`\?"),
        (("acme://host?size=16",), {}, "the URL's option `size` is '16'; wanted a whole number from 1 to 15"),
        (("acme://host?size=1&size=2",), {}, "sets `size` twice"),
        (("acme://u:geheim@host:port",), {}, r"acme://u:\*\*\*@host:port can't be read"),
        (("acme", {"size": 0}), {}, "acme.size is 0; wanted a whole number from 1 to 15"),
        (("acme",), {"size": True}, "acme.size is True; wanted a whole number"),
        (("acme",), {"verify": "maybe"}, "acme.verify is 'maybe'; wanted true or false"),
        (("acme",), {"password": 7}, r"acme.password is '\*\*\*'; wanted text"),
        (("acme",), {"namespace": "a b"}, "acme.namespace is 'a b'; wanted 1 to 64 of the characters"),
        (("acme", OtherConfig()), {}, "the settings of acme are of type OtherConfig; wanted AcmeConfig or a mapping"),
        (("acme", 5), {}, "the settings of acme are of type int"),
        (("",), {}, "a plugin's name is ''"),
        ((None,), {}, "a plugin's name is None"),
    ],
)
def test_every_wrong_setting_is_one_clear_error(
    arguments: tuple[Any, ...], keywords: dict[str, Any], message: str
) -> None:
    """It says what was found, unless that is secret, and what is wanted."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        DriverFactory.create(*arguments, **keywords)
    assert "geheim" not in str(caught.value)


@pytest.mark.usefixtures("acme")
def test_a_url_beside_a_whole_object_is_refused() -> None:
    """One of them would be ignored in silence."""
    with pytest.raises(ConfigurationError, match="both the URL acme://host and AcmeConfig"):
        DriverFactory.create("acme://host", driver_config_class("Acme")())


@pytest.mark.anyio
@pytest.mark.usefixtures("acme")
async def test_a_connected_driver_may_claim_less_than_its_spec_but_not_more(anyio_backend: str) -> None:
    """The spec is what an operator reads; the driver must not surprise them."""
    spec = DriverFactory.load("memory").spec
    async with DriverFactory.create("memory") as driver:
        verify_traits(driver, spec)
        verify_traits(driver, structs.replace(spec, guarantees=frozenset(Guarantee)))
        less = structs.replace(spec, guarantees=frozenset(), features=frozenset(), event_loops=frozenset({"trio"}))
        with pytest.raises(PluginInvalid, match=r"guarantees exact_stats, .*features pausing, .*event_loops asyncio"):
            verify_traits(driver, less)


@pytest.mark.usefixtures("acme")
def test_a_settings_class_is_found_by_its_name() -> None:
    """`AcmeConfig` is what the driver `acme` calls its settings."""
    assert driver_config_class("AcmeConfig").__name__ == "AcmeConfig"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("RedisConfig", r'RedisConfig is not available: .*pip install "asynctasq\[redis\]"'),
        ("SQSConfig", "no driver 'sqs' is installed.*asynctasq.drivers, or write one against asynctasq.driver_api"),
        ("RabbitMQConfig", "no driver 'rabbitmq' is installed.*asynctasq-conformance"),
    ],
)
def test_a_missing_settings_class_is_an_import_error_that_says_what_to_do(
    bare: Distributions, name: str, message: str
) -> None:
    """Ours come with the command; others with how to write or install one."""
    with pytest.raises(ImportError, match=message):
        driver_config_class(name)


def test_a_broken_driver_makes_its_settings_class_an_import_error(distributions: Distributions) -> None:
    """`from asynctasq import BrokenConfig` is an import like any other."""
    distributions.install("broken-queue", "broken_import", drivers="broken")
    with pytest.raises(ImportError, match="BrokenConfig is not available: broken-queue"):
        driver_config_class("Broken")


def test_importing_the_factory_imports_no_client_library() -> None:
    """Nor a driver, nor what the command line needs."""
    heavy = "click rich sqlite3 redis asyncpg aiomysql aiosqlite dotenv asynctasq_sqlite asynctasq.memory.driver"
    code = (
        "import sys, asynctasq.config, asynctasq.plugins.load_report, asynctasq.plugins.driver_factory as f; "
        f"f.DriverFactory.installed(); print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_configuration_does_not_even_import_pluggy() -> None:
    """`from asynctasq import task, init` has 90 ms in all."""
    code = (
        "import sys, asynctasq.config; print([n for n in ('pluggy', 'click', 'dotenv', 'difflib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
