"""Loading one plugin: what is accepted, what is refused and with which words, and that others are left alone."""

import sys
from fractions import Fraction

import pytest

from asynctasq.contract.serializer import Serializer
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import (
    ConfigurationError,
    DriverNotFound,
    IncompatiblePlugin,
    PluginInvalid,
    PluginLoadFailed,
    SerializationError,
)
from asynctasq.plugins.discovery import PluginKind, choose_plugin
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.plugins.event_sink_factory import EventSinkFactory
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.serializer_factory import SerializerFactory
from tests.fixtures.distributions import Distributions


def test_a_broken_plugin_elsewhere_is_never_touched(distributions: Distributions) -> None:
    """Asking for one driver imports that one alone."""
    broken = distributions.install("broken-queue", "broken_import", drivers="broken")
    wanted = distributions.install("acme-queue", "acme_driver", drivers="acme acmes")
    DriverFactory.create("acme")
    assert wanted in sys.modules
    assert broken not in sys.modules


def test_an_import_that_fails_is_blamed_on_its_distribution(distributions: Distributions) -> None:
    """`PluginLoadFailed` names distribution, version, entry and cause, which is chained."""
    distributions.install("broken-queue", "broken_import", drivers="broken", version="3.1")
    with pytest.raises(PluginLoadFailed, match=r"broken-queue 3\.1 \(\w+\) .*RuntimeError: the licence") as caught:
        DriverFactory.create("broken")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_plugin_cannot_end_the_process(distributions: Distributions) -> None:
    """A `sys.exit()` at import is a failure to load like any other."""
    distributions.install("exit-queue", "exits_at_import", drivers="exit")
    with pytest.raises(PluginLoadFailed, match="SystemExit: 3"):
        DriverFactory.create("exit")


@pytest.mark.parametrize("source", ["broken_import", "broken_hook"])
def test_a_plugin_that_is_too_new_says_which_core_it_requires(distributions: Distributions, source: str) -> None:
    """It may fail in odd ways long before its API version can be read."""
    distributions.install("acme-queue", source, drivers="acme", requires="asynctasq[sqlite]>=2.3,<3")
    with pytest.raises(PluginLoadFailed, match=r"acme-queue requires asynctasq>=2\.3,<3; installed is 2\.0\.0"):
        DriverFactory.create("acme")


@pytest.mark.parametrize(
    ("version", "upgrade"), [("1.1", "asynctasq"), ("2.0", "asynctasq"), ("0.9", "acme-queue"), ("0.0", "acme-queue")]
)
def test_another_api_version_says_which_side_to_upgrade(
    distributions: Distributions, version: str, upgrade: str
) -> None:
    """Same major, minor not above the core's; all else is refused."""
    distributions.install("acme-queue", "acme_driver", drivers="acme acmes", replace={'"1.0"': f'"{version}"'})
    with pytest.raises(IncompatiblePlugin, match=rf"plugin API {version}, .* Upgrade {upgrade}: pip install --upgrade"):
        DriverFactory.create("acme")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("misspelt_hook", r"no hook asynctasq_driver_spec; did you mean asynctasq_driver_specs\?"),
        ("unmarked_hook", r"asynctasq_driver_specs\(\) has no @hookimpl"),
        ("wrong_argument", "asynctasq_encode_extension.*valeu"),
        ("wrapping_hook", r"asynctasq_driver_specs\(\) wraps a hook"),
        ("acme_event_sink", "gave 0 specs"),
    ],
)
def test_hooks_that_pluggy_would_pass_over_are_refused(distributions: Distributions, source: str, message: str) -> None:
    """Misspelt, unmarked, wrongly called, wrapping or missing: silence would be a lost evening."""
    distributions.install("acme-queue", source, drivers="acme")
    with pytest.raises(PluginInvalid, match=message):
        DriverFactory.create("acme")


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ({"        )\n    ]": "        )\n    ] * 2"}, "gave 2 specs.*exactly one DriverSpec"),
        ({"    return [\n": "    return 7 or [\n"}, "gave int; wanted a list of specs"),
        ({'name="acme"': 'name="Acme"'}, r"name is 'Acme'; wanted \[a-z\]"),
        ({'name="acme"': 'name="worker"'}, "'worker' is a word of asynctasq's own settings"),
        ({'name="acme"': 'name="other"'}, "entry points lack the names other"),
        ({'"acmes", ': ""}, "entry points have the names acmes"),
        ({'api_version="1.0"': "api_version=1.0"}, "api_version is 1.0; wanted a string"),
        ({"settings_type=AcmeConfig": "settings_type=dict"}, "derives from DriverSettings"),
        ({"guarantees=frozenset()": "guarantees={'durable'}"}, "frozenset of Guarantee"),
        ({'"wake_ups", ': '"wakeups", '}, "features is .*; wanted a frozenset of pausing, transactions, wake_ups"),
        ({'{"asyncio", "trio"}': '{"curio"}'}, "event_loops"),
        ({"open=open_driver": "open=None"}, "open is None; wanted a function"),
        ({"url: Url": "uri: Url"}, "settings_type.url_field is 'url'; wanted one of its fields"),
    ],
)
def test_a_spec_that_is_not_what_the_specifications_ask_for_is_refused(
    distributions: Distributions, replace: dict[str, str], message: str
) -> None:
    """Every field is checked at loading, not when it is first used."""
    distributions.install("acme-queue", "acme_driver", drivers="acme acmes", replace=replace)
    with pytest.raises(PluginInvalid, match=f"acme-queue 1.0 .*{message}"):
        DriverFactory.load("acme")


def test_a_name_of_a_core_group_is_refused_before_it_is_imported(distributions: Distributions) -> None:
    """`ASYNCTASQ_WORKER_...` must not mean two things."""
    module = distributions.install("acme-queue", "acme_driver", drivers="worker")
    with pytest.raises(PluginInvalid, match="'worker' is a word of asynctasq's own settings"):
        DriverFactory.create("worker")
    assert module not in sys.modules


def test_open_that_fails_or_gives_no_driver_is_blamed_on_the_plugin(distributions: Distributions) -> None:
    """A missing client library shows when the driver is opened, and says whose it is."""
    missing = {"from asynctasq.memory.driver": "from a_missing_client"}
    distributions.install("acme-queue", "acme_driver", drivers="acme acmes", replace=missing)
    with pytest.raises(PluginLoadFailed, match=r"acme-queue 1\.0 .*could not be opened: ModuleNotFoundError"):
        DriverFactory.create("acme")
    coroutine = {"def open_driver": "async def open_driver", '"acme"': '"later"', '("later", "acmes"': '("acmes"'}
    distributions.install("late-queue", "acme_driver", drivers="later acmes2", replace={**coroutine, "acmes": "acmes2"})
    with pytest.raises(PluginInvalid, match=r"open\(\) is a coroutine function"):
        DriverFactory.create("later")


def test_a_serializer_is_configured_used_and_removed(bare: Distributions) -> None:
    """A third party's serializer is picked by name or by content type, and is gone when it is uninstalled."""
    bare.install("acme-bytes", "acme_serializer", serializers="acme application/acme")
    for name in ("acme", "application/acme"):
        serializer = SerializerFactory.create(name)
        assert isinstance(serializer, Serializer)
        assert serializer.decoder(list[int])(serializer.encode([1, 2])) == [1, 2]
    bare.uninstall("acme-bytes")
    with pytest.raises(DriverNotFound, match=r"no serializer 'acme' is installed\. Installed: json, msgpack"):
        SerializerFactory.create("acme")


def test_an_event_sink_is_configured_used_and_removed(bare: Distributions) -> None:
    """A third party's sink gets its settings checked, and is gone when it is uninstalled."""
    bare.install("acme-events", "acme_event_sink", event_sinks="acme")
    assert EventSinkFactory.create("acme", target="there").settings.target == "there"
    with pytest.raises(ConfigurationError, match=r"acme.targt: acme has no such setting; did you mean acme\.target\?"):
        EventSinkFactory.create("acme", {"targt": "there"})
    bare.uninstall("acme-events")
    with pytest.raises(DriverNotFound, match=r"no event sink 'acme' is installed\. Installed: jsonl, logging"):
        EventSinkFactory.create("acme")


def test_a_sink_of_ours_that_is_missing_says_how_to_install_it(bare: Distributions) -> None:
    """The sink `redis` comes with the driver's distribution."""
    with pytest.raises(DriverNotFound, match=r"""no event sink 'redis' .*: pip install "asynctasq\[redis\]\""""):
        EventSinkFactory.load("redis")


def test_plugins_hear_of_each_other_in_whatever_order_they_come(distributions: Distributions) -> None:
    """`asynctasq_plugin_loaded` is historic: who comes later hears of the earlier ones too."""
    driver = distributions.install("acme-queue", "acme_driver", drivers="acme acmes")
    module = distributions.install("acme-bytes", "acme_serializer", serializers="acme application/acme")
    registry = PluginRegistry()
    DriverFactory.load("acme", registry=registry)
    SerializerFactory.create("acme", registry=registry)
    EventSinkFactory.load("jsonl", registry=registry)
    assert sys.modules[module].told_of == [driver, module, "asynctasq.event_sinks.jsonl_plugin"]
    assert [loaded.plugin.distribution for loaded in registry.loaded] == ["acme-queue", "acme-bytes", "asynctasq"]


def test_extension_hooks_are_asked_once_per_type_and_per_known_tag(distributions: Distributions) -> None:
    """pluggy stays out of the hot path, and a decoded None is not "not mine"."""
    module = distributions.install("acme-bytes", "acme_serializer", serializers="acme application/acme")
    registry = PluginRegistry()
    assert registry.encode_extension(Fraction(1, 2)) is None
    SerializerFactory.create("acme", registry=registry)
    tagged = [registry.encode_extension(Fraction(1, n)) for n in (2, 3)]
    assert [each and each.data for each in tagged] == [[1, 2], [1, 3]]
    assert [registry.encode_extension(1j) for _ in range(3)] == [None] * 3
    assert sys.modules[module].asked == [Fraction, Fraction, complex]
    decoded = registry.decode_extension("acme.fraction", [1, 2])
    assert decoded is not None
    assert decoded.value == Fraction(1, 2)
    nothing = registry.decode_extension("acme.nothing", None)
    assert nothing is not None
    assert nothing.value is None
    assert registry.decode_extension("other", None) is None


def test_an_unloaded_plugin_is_never_called_again(distributions: Distributions) -> None:
    """Neither through the cache nor through pluggy."""
    distributions.install("acme-bytes", "acme_serializer", serializers="acme application/acme")
    registry = PluginRegistry()
    SerializerFactory.create("acme", registry=registry)
    assert registry.encode_extension(Fraction(1, 2)) is not None
    registry.unload(choose_plugin(PluginKind.SERIALIZER, "acme"))
    assert registry.encode_extension(Fraction(1, 2)) is None
    assert registry.loaded == ()


def test_an_extension_hook_that_fails_is_a_serialization_error(distributions: Distributions) -> None:
    """The error names the plugin, so that nobody searches in the task."""
    fails = {"    asked.append(type(value))\n": "    raise RuntimeError('out of ink')\n"}
    distributions.install("acme-bytes", "acme_serializer", serializers="acme application/acme", replace=fails)
    registry = PluginRegistry()
    SerializerFactory.create("acme", registry=registry)
    with pytest.raises(SerializationError, match=r"acme-bytes .*out of ink"):
        registry.encode_extension(1j)


def test_a_guarantee_is_written_with_its_enum(distributions: Distributions) -> None:
    """What the spec advertises arrives as it was written."""
    replace = {
        "guarantees=frozenset()": "guarantees=frozenset({Guarantee.DURABLE})",
        "DriverSpec, Secret": "DriverSpec, Guarantee, Secret",
    }
    distributions.install("acme-queue", "acme_driver", drivers="acme acmes", replace=replace)
    assert DriverFactory.load("acme").spec.guarantees == {Guarantee.DURABLE}
