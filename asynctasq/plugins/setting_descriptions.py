"""Settings as an operator sees them: variable, flag, type, default and help."""

import ast
import inspect
import itertools
import textwrap
from typing import Any

import msgspec
from msgspec import Struct

from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.plugins.event_sink_factory import EventSinkFactory
from asynctasq.plugins.setting_types import accepts, choices, wanted
from asynctasq.plugins.setting_values import CODE, ENVIRONMENT, FLAG, spell
from asynctasq.plugins.settings import redact, secret_marks


class SettingDescription(Struct, frozen=True, kw_only=True):
    """One setting, as an operator sees it."""

    name: str
    """As in code: `redis.url`."""
    variable: str
    """`ASYNCTASQ_REDIS_URL`."""
    flag: str
    """`--redis-url`."""
    wanted: str
    """What is allowed, in words."""
    default: Any
    """Masked if it is secret; None if there is none."""
    is_required: bool
    is_secret: bool
    """Also to be had from a file, by `<variable>_FILE`."""
    is_switch: bool
    """True or false, and nothing else."""
    choices: tuple[str, ...]
    help: str
    """The docstring that stands under the field, or nothing."""


def describe_settings(settings_type: type[Struct], group: str) -> tuple[SettingDescription, ...]:
    """Every field of a settings class, in order; `group` is the driver's name, or the group's in the configuration."""
    marks = secret_marks(settings_type)
    texts = field_docstrings(settings_type)
    return tuple(
        SettingDescription(
            name=spell(CODE, group, field.name),
            variable=spell(ENVIRONMENT, group, field.name),
            flag=spell(FLAG, group, field.name),
            wanted=wanted(field.type),
            default=redact(_default(field), marks.get(field.name)),
            is_required=field.required,
            is_secret=field.name in marks,
            is_switch=accepts(field.type, bool) and not accepts(field.type, str),
            choices=choices(field.type),
            help=texts.get(field.name, ""),
        )
        for field in msgspec.structs.fields(settings_type)
    )


def driver_setting_descriptions(name: str) -> tuple[SettingDescription, ...]:
    """The settings of one driver, as flags and variables. Imports its plugin, and no client library.

    Raises:
        ConfigurationError: the driver is not installed, or its plugin is unusable.
    """
    spec = DriverFactory.load(name).spec
    return describe_settings(spec.settings_type, spec.name)


def event_sink_setting_descriptions(name: str) -> tuple[SettingDescription, ...]:
    """The settings of one event sink, as flags and variables. Imports its plugin.

    Raises:
        ConfigurationError: the sink is not installed, or its plugin is unusable.
    """
    spec = EventSinkFactory.load(name).spec
    return describe_settings(spec.settings_type, f"events.{spec.name}")


def field_docstrings(settings_type: type) -> dict[str, str]:
    """The docstrings under a class's fields, on one line each. Empty where the source is not at hand."""
    texts: dict[str, str] = {}
    for each in reversed(settings_type.__mro__):
        if each in (object, msgspec.Struct):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
        except (OSError, TypeError, SyntaxError):
            continue  # a class without source has no help text, and is none the worse
        body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                value = text.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    texts[field.target.id] = " ".join(value.value.split())
    return texts


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return None if field.default_factory is msgspec.NODEFAULT else field.default_factory()
