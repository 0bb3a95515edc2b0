"""Which plugins are found, and which one a name means: from metadata alone."""

import sys
from pathlib import Path

import pytest

from asynctasq.errors import DriverNotFound, PluginConflict
from asynctasq.plugins.discovery import PluginKind, choose_plugin, installed_plugins, wanted_names
from asynctasq.plugins.driver_factory import DriverFactory
from tests.fixtures.distributions import Distributions


def test_nothing_is_imported_to_list_what_is_installed(distributions: Distributions) -> None:
    """`installed()` names every driver once, with all of its names, and imports none of them."""
    module = distributions.install("acme-queue", "broken_import", drivers="acme acmes")
    found = [plugin for plugin in DriverFactory.installed() if "acme" in plugin.names]
    assert [(plugin.names, plugin.value, plugin.distribution, plugin.version) for plugin in found] == [
        (("acme", "acmes"), module, "acme-queue", "1.0")
    ]
    assert module not in sys.modules


def test_the_built_in_plugins_are_found_like_any_other(bare: Distributions) -> None:
    """The core's own drivers, serializers and sinks are entry points too."""
    names = {kind: {name for plugin in installed_plugins(kind) for name in plugin.names} for kind in PluginKind}
    assert names == {
        PluginKind.DRIVER: {"memory"},
        PluginKind.SERIALIZER: {"msgpack", "json"},
        PluginKind.EVENT_SINK: {"logging", "jsonl"},
    }


def test_an_editable_install_that_is_listed_twice_counts_once(bare: Distributions, tmp_path: Path) -> None:
    """The folder that a plugin is developed in and the environment both list it: that is no conflict."""
    bare.install("acme-queue", "acme_driver", drivers="acme", module="acme_twice")
    again = tmp_path / "checkout"
    again.mkdir()
    bare.describe("Acme.Queue", "0.9", {"asynctasq.drivers": {"acme": "acme_twice"}}, folder=again, suffix="egg-info")
    sys.path.append(str(again))
    found = [plugin for plugin in DriverFactory.installed() if "acme" in plugin.names]
    assert [(plugin.distribution, plugin.version) for plugin in found] == [("acme-queue", "1.0")]


def test_metadata_that_an_uninstall_left_behind_is_passed_over(bare: Distributions) -> None:
    """A folder of metadata without a name hides nothing and breaks nothing."""
    info = bare.describe("ghost", "1.0", {"asynctasq.drivers": {"acme": "ghost"}})
    (info / "METADATA").unlink()
    assert {name for plugin in DriverFactory.installed() for name in plugin.names} == {"memory"}


def test_damaged_metadata_stops_nobody_else_and_is_told(bare: Distributions, caplog: pytest.LogCaptureFixture) -> None:
    """A line that is no entry point, and bytes that are no text."""
    for name, content in (("torn", b"[asynctasq.drivers]\nacme\n"), ("binary", b"[asynctasq.drivers]\n\xff = x\n")):
        (bare.describe(name, "1.0", {}) / "entry_points.txt").write_bytes(content)
    assert {name for plugin in DriverFactory.installed() for name in plugin.names} == {"memory"}
    messages = sorted(record.getMessage() for record in caplog.records)
    assert len(messages) == 2
    assert "binary-1.0.dist-info can't be read" in messages[0]
    assert "torn-1.0.dist-info can't be read" in messages[1]


def test_two_distributions_with_one_name_are_a_conflict_that_names_both(bare: Distributions) -> None:
    """Nobody wins in silence: the operator chooses, by `distribution=` or by the block-list."""
    bare.install("acme-one", "acme_driver", drivers="acme", version="1.1")
    bare.install("acme-two", "acme_driver", drivers="acme", version="2.2")
    with pytest.raises(PluginConflict, match=r"acme-one 1\.1 .* and acme-two 2\.2"):
        choose_plugin(PluginKind.DRIVER, "acme")
    assert choose_plugin(PluginKind.DRIVER, "acme", distribution="Acme_Two").distribution == "acme-two"
    environ = {"ASYNCTASQ_DISABLE_PLUGINS": "acme-two"}
    assert choose_plugin(PluginKind.DRIVER, "acme", environ=environ).distribution == "acme-one"


def test_a_blocked_plugin_is_not_found_and_the_error_says_why(bare: Distributions) -> None:
    """`ASYNCTASQ_DISABLE_PLUGINS` blocks by name or by distribution."""
    bare.install("acme-queue", "acme_driver", drivers="acme acmes")
    for blocked in ("acme", "other, acmes", "Acme_Queue"):
        with pytest.raises(DriverNotFound, match=r"acme-queue 1\.0 .*blocked by ASYNCTASQ_DISABLE_PLUGINS"):
            choose_plugin(PluginKind.DRIVER, "acme", environ={"ASYNCTASQ_DISABLE_PLUGINS": blocked})


def test_the_allow_list_leaves_only_what_it_names_and_the_core(bare: Distributions) -> None:
    """`ASYNCTASQ_PLUGINS` keeps everything else out, except what the core itself ships."""
    bare.install("acme-queue", "acme_driver", drivers="acme")
    with pytest.raises(DriverNotFound, match="not in the allow-list ASYNCTASQ_PLUGINS"):
        choose_plugin(PluginKind.DRIVER, "acme", environ={"ASYNCTASQ_PLUGINS": "redis"})
    assert choose_plugin(PluginKind.DRIVER, "acme", environ={"ASYNCTASQ_PLUGINS": "redis,acme"}).names == ("acme",)
    assert choose_plugin(PluginKind.SERIALIZER, "json", environ={"ASYNCTASQ_PLUGINS": "acme"}).names == ("json",)


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql://host/db", "postgresql+asyncpg://host/db"])
def test_our_own_driver_that_is_missing_comes_with_the_command(bare: Distributions, name: str) -> None:
    """The error says what is installed and what to type."""
    with pytest.raises(DriverNotFound, match=r'Installed: memory.*pip install "asynctasq\[postgres\]"'):
        choose_plugin(PluginKind.DRIVER, name)


def test_a_misspelt_name_is_answered_with_the_closest_one(bare: Distributions) -> None:
    """Of what is installed, and of our own drivers that are not."""
    with pytest.raises(DriverNotFound, match=r"did you mean memory\?$"):
        choose_plugin(PluginKind.DRIVER, "memroy")
    with pytest.raises(DriverNotFound, match=r'did you mean redis\?\. Install it: pip install "asynctasq\[redis\]"'):
        choose_plugin(PluginKind.DRIVER, "reddis")
    with pytest.raises(DriverNotFound, match=r"no serializer 'msgpak'.*did you mean msgpack\?"):
        choose_plugin(PluginKind.SERIALIZER, "msgpak")


def test_a_scheme_is_looked_for_as_it_is_before_its_client_is_taken_off() -> None:
    """`acme+cluster://` may be an entry of its own; `postgresql+asyncpg://` is not."""
    assert wanted_names("ACME+Cluster://host") == ("acme+cluster", "acme")
    assert wanted_names("acme://host") == ("acme",)
    assert wanted_names("acme") == ("acme",)
