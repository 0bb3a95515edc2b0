"""Settings as flags: those of the core, and those of every installed driver, without a line of code for any of them."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, cast

import click
import msgspec
from click.shell_completion import CompletionItem
from msgspec import Struct

from asynctasq.cli.command_state import PlainCommand, state_of
from asynctasq.configuration.groups import GROUPS, GeneralConfig
from asynctasq.configuration.layers import GENERAL, short_flag
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.discovery import install_hint
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.plugins.setting_descriptions import SettingDescription, describe_settings
from asynctasq.plugins.setting_types import accepts, choices, convert_setting, wanted

MANAGEMENT_FLAGS = ("driver", "url", "apps")
_ARGUMENTS_KEY = "asynctasq.arguments"
_HELP_FLAGS = frozenset({"-h", "--help"})


class SettingValueType(click.ParamType[Any]):
    """Text that must fit a setting. It stays text: the configuration converts it, as it does a variable's."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self.name = _type_name(annotation)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the text. Where only some words are allowed, their case does not matter.

        Raises:
            click.BadParameter: it does not fit.
        """
        by_word = {word.lower(): word for word in choices(self._annotation)}
        value = by_word.get(str(value).lower(), value)
        try:
            convert_setting(value, self._annotation)
        except (ValueError, TypeError):
            self.fail(f"wanted {wanted(self._annotation)}", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that a setting is limited to."""
        return [CompletionItem(word) for word in choices(self._annotation) if word.startswith(incomplete)]


class SettingOption(click.Option):
    """The flag of one setting. Its value goes to the configuration, not to the command."""

    def __init__(self, description: SettingDescription, annotation: Any, section: str) -> None:
        self.section = section
        self.spelling = description.flag
        if description.is_switch:
            super().__init__(
                [f"{description.flag}/--no-{description.flag.removeprefix('--')}"],
                default=None,
                expose_value=False,
                callback=_remember,
                help=_help(description),
            )
        else:
            super().__init__(
                [description.flag],
                type=SettingValueType(annotation),
                metavar=_type_name(annotation),
                multiple=accepts(annotation, tuple),
                default=None,
                expose_value=False,
                callback=_remember,
                help=_help(description),
            )


class ConfiguredCommand(PlainCommand):
    """A command that takes settings as flags.

    A driver's plugin is imported when one of its flags is typed, and for `--help`; else it is left alone.
    """

    def __init__(
        self,
        *args: Any,
        general_flags: Iterable[str] = MANAGEMENT_FLAGS,
        groups: Iterable[str] = (),
        driver_flags: bool = True,
        **keywords: Any,
    ) -> None:
        super().__init__(*args, **keywords)
        self._general_flags = frozenset(general_flags)
        self._groups = tuple(groups)
        self._driver_flags = driver_flags
        self._core: list[click.Parameter] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, the core's settings, and those of the drivers that are needed."""
        if self._core is None:
            self._core = list(self._core_options())
        return [*super().get_params(ctx), *self._core, *ctx.meta.get(_drivers_key(self), ())]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, once it is known whose flags are among the arguments."""
        if self._driver_flags:
            wants_all = ctx.resilient_parsing or not _HELP_FLAGS.isdisjoint(args)
            ctx.meta[_drivers_key(self)] = _all_drivers() if wants_all else _typed_drivers(args)
        ctx.meta[_ARGUMENTS_KEY] = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = install_hint(error.option_name.removeprefix("--").partition("-")[0])
            if hint is None or error.possibilities:
                raise
            raise click.UsageError(f"{error.message} Its driver is not installed: {hint}", ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, those of each driver in a section of their own."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def _core_options(self) -> Iterator[SettingOption]:
        for row in setting_options(GeneralConfig, GENERAL, "Options"):
            if row[0] in self._general_flags:
                yield row[1]
        for group in self._groups:
            for _, option in setting_options(GROUPS[group], group, f"Settings of the group {group!r}"):
                yield option


def typed_arguments(ctx: click.Context) -> tuple[str, ...]:
    """What was typed behind the command's name."""
    return ctx.meta[_ARGUMENTS_KEY]


def setting_options(settings_type: type[Struct], group: str, section: str) -> Iterator[tuple[str, SettingOption]]:
    """A flag for every field of a settings class that a text can set, with the field's name."""
    fields = msgspec.structs.fields(settings_type)
    for field, description in zip(fields, describe_settings(settings_type, group), strict=True):
        if not accepts(field.type, dict):
            flag = short_flag(description.name) or description.flag
            described = msgspec.structs.replace(description, flag=flag)
            yield field.name, SettingOption(described, field.type, section)


def driver_options(name: str) -> list[SettingOption]:
    """The flags of one driver.

    Raises:
        ConfigurationError: its plugin is unusable.
    """
    spec = DriverFactory.load(name).spec
    return [option for _, option in setting_options(spec.settings_type, spec.name, f"Settings of {spec.name!r}")]


def _typed_drivers(args: Iterable[str]) -> list[click.Parameter]:
    """The flags of the drivers of which a flag was typed."""
    flags = [word.removeprefix("--").removeprefix("no-") for word in args if word.startswith("--")]
    prefixes = {flag.partition("=")[0].partition("-")[0] for flag in flags}
    if not prefixes:
        return []
    typed = [plugin for plugin in DriverFactory.installed() if set(plugin.names) & prefixes]
    return [option for plugin in typed if plugin.blocked is None for option in driver_options(plugin.names[0])]


def _all_drivers() -> list[click.Parameter]:
    """The flags of all drivers that can be loaded; `asynctasq plugins --check` tells of the others."""
    options: list[click.Parameter] = []
    for plugin in DriverFactory.installed():
        with contextlib.suppress(ConfigurationError):
            options += driver_options(plugin.names[0]) if plugin.blocked is None else ()
    return options


def _drivers_key(command: click.Command) -> str:
    return f"asynctasq.drivers.{id(command)}"


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is None or value == ():
        return
    spelling = cast(SettingOption, param).spelling
    if isinstance(value, tuple):
        value = ",".join(cast("tuple[str, ...]", value))
    state_of(ctx).flags[spelling] = value


def _help(description: SettingDescription) -> str:
    parts = [description.help] if description.help else []
    default = description.default
    if isinstance(default, tuple | list):
        default = ",".join(str(each) for each in cast("tuple[object, ...]", default))
    if default not in (None, "", False):
        parts.append(f"[default: {'on' if default is True else default}]")
    return " ".join(parts)


def _type_name(annotation: Any) -> str:
    if limited := choices(annotation):
        return "|".join(limited)
    for kind, name in ((tuple, "A,B,..."), (bool, "BOOLEAN"), (int, "INTEGER"), (float, "NUMBER")):
        if accepts(annotation, kind):
            return name
    return "TEXT"
