"""What `--help` and `asynctasq publish` say of the core's own settings."""

from asynctasq.config import resolve
from asynctasq.configuration.descriptions import core_setting_descriptions
from asynctasq.plugins.setting_descriptions import driver_setting_descriptions, event_sink_setting_descriptions


def test_every_setting_of_the_core_has_a_variable_a_flag_and_a_help_text() -> None:
    """And the flag and the variable are read as the setting that they are said to be."""
    rows = core_setting_descriptions()
    assert {row.name: row.flag for row in rows if row.name.startswith("worker.")}["worker.lease"] == "--lease"
    assert {row.name: row.variable for row in rows}["worker.lease"] == "ASYNCTASQ_WORKER_LEASE"
    for row in rows:
        assert row.help.endswith("."), row.name
        assert row.wanted
    given = [row for row in rows if row.default is not None and row.name not in ("driver", "url")]
    as_text = {row.name: ",".join(row.default) if isinstance(row.default, tuple) else str(row.default) for row in given}
    flags = resolve({}, flags={row.flag: as_text[row.name] for row in given}, environ={}, dotenv_path=None)
    environ = {row.variable: as_text[row.name] for row in given}
    variables = resolve({}, environ=environ, dotenv_path=None)
    for row in given:
        assert flags.origins[row.name].kind == "flag", row.name
        assert variables.origins[row.name].kind == ("environment" if as_text[row.name] else "default"), row.name


def test_the_settings_of_drivers_and_sinks_are_described_by_their_plugins() -> None:
    """A third party's exactly like ours."""
    assert [row.flag for row in driver_setting_descriptions("memory")][:1] == ["--memory-namespace"]
    rows = {row.name: row for row in event_sink_setting_descriptions("jsonl")}
    assert rows["events.jsonl.path"].variable == "ASYNCTASQ_EVENTS_JSONL_PATH"
    assert rows["events.jsonl.format"].choices == ("plain", "cloudevents")
