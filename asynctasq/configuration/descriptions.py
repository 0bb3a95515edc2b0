"""The core's own settings as an operator sees them, for `--help` and `asynctasq publish`."""

from msgspec import structs

from asynctasq.configuration.groups import GROUPS, GeneralConfig
from asynctasq.configuration.layers import GENERAL, short_flag
from asynctasq.plugins.setting_descriptions import SettingDescription, describe_settings


def core_setting_descriptions() -> tuple[SettingDescription, ...]:
    """Every setting of the core, general ones first, each with its shortest flag. What can only be given in code is
    left out."""
    rows = list(describe_settings(GeneralConfig, GENERAL))
    for group, settings_type in GROUPS.items():
        rows += describe_settings(settings_type, group)
    return tuple(_with_short_flag(row) for row in rows if row.name != "events.sink_settings")


def _with_short_flag(row: SettingDescription) -> SettingDescription:
    flag = short_flag(row.name)
    return row if flag is None else structs.replace(row, flag=flag)
