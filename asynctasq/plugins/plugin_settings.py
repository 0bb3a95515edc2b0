"""A plugin's settings from whatever the caller has: an object, a mapping, keywords, a URL."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from msgspec import structs

from asynctasq.errors import AsyncTasqError, ConfigurationError
from asynctasq.plugins.discovery import scheme_of
from asynctasq.plugins.setting_values import URL, Origin, SettingValue, build_settings, from_code, spell
from asynctasq.plugins.settings import PluginSettings, redact_url
from asynctasq.plugins.specs import DriverSpec, EventSinkSpec


def plugin_settings(
    spec: DriverSpec | EventSinkSpec,
    config: PluginSettings | Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    url: str | None = None,
) -> PluginSettings:
    """Checked settings. Keywords win over `config`, and a mapping wins over the URL.

    Raises:
        ConfigurationError: a value that does not fit, an unknown name, the settings of another plugin, or a URL beside
            a settings object (an object is whole, so the URL would be ignored).
    """
    values: dict[str, SettingValue] = {}
    if url is not None:
        if isinstance(config, PluginSettings):
            raise ConfigurationError(
                f"both the URL {redact_url(url)} and {type(config).__name__} give the settings of {spec.name}; "
                "pass one of them, or a mapping of what the URL leaves open"
            )
        values = url_values(cast(DriverSpec, spec), url)
    values.update(from_code(spec.name, config_values(spec.name, spec.settings_type, config)))
    values.update(from_code(spec.name, keywords))
    return build_settings(spec.settings_type, values, spec.name)


def config_values(
    name: str, settings_type: type[PluginSettings], config: PluginSettings | Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The fields of settings that code passes: all of an object, those of a mapping.

    Raises:
        ConfigurationError: it is neither, or the settings of something else.
    """
    given: object = config
    if given is None:
        return {}
    if isinstance(given, settings_type):
        return structs.asdict(given)
    if isinstance(given, Mapping):
        mapping = cast("Mapping[object, Any]", given)
        return {str(key): value for key, value in mapping.items()}
    raise ConfigurationError(
        f"the settings of {name} are of type {type(given).__name__}; wanted {settings_type.__name__} or a mapping"
    )


def url_values(spec: DriverSpec, url: str, origin: Origin | None = None) -> dict[str, SettingValue]:
    """The settings that a URL gives, as the driver reads it.

    Args:
        spec: The driver that the URL's scheme picked.
        url: Its `+client` is taken off unless the driver lists the scheme with it.
        origin: Where the URL was found; None is the call itself.

    Raises:
        ConfigurationError: the URL can't be read.
    """
    try:
        fields = spec.settings_type.from_url(_plain_scheme(spec, url))
    except AsyncTasqError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"the URL {redact_url(url)} can't be read by {spec.name}: {error}") from None
    options = {option for option, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    return {name: SettingValue(value, _origin(spec, name, name in options, origin)) for name, value in fields.items()}


def _origin(spec: DriverSpec, name: str, is_option: bool, url: Origin | None) -> Origin:
    if url is None:
        return Origin(URL, spell(URL, spec.name, name))
    return Origin(url.kind, f"{url.name}, option `{name}`" if is_option else url.name)


def _plain_scheme(spec: DriverSpec, url: str) -> str:
    scheme = scheme_of(url)
    if scheme is None or scheme in spec.url_schemes or "+" not in scheme:
        return url
    return scheme.split("+", 1)[0] + url[len(scheme) :]
