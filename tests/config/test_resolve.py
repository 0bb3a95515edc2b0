"""Where settings come from, which place wins, and what a wrong one is told."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from asynctasq.config import (
    Config,
    EventsConfig,
    ProcessPoolConfig,
    RepositoryConfig,
    TaskDefaultsConfig,
    WorkerConfig,
    resolve,
)
from asynctasq.configuration.layers import KnownNames, read_flags, read_variables
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.setting_values import ENVIRONMENT, FLAG, Origin, SettingValue, spell
from tests.fixtures.distributions import Distributions


def resolved(
    code: Mapping[str, Any] | None = None,
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    dotenv_path: Path | None = None,
) -> Config:
    return resolve(code or {}, flags=flags, environ=environ or {}, dotenv_path=dotenv_path)


def test_the_defaults_are_those_that_the_documentation_names() -> None:
    """With nothing set anywhere."""
    config = resolved()
    assert (config.driver, config.url, config.serializer, config.apps) == ("sqlite", None, "msgpack", ())
    assert config.task_defaults == TaskDefaultsConfig(
        queue="default",
        max_attempts=3,
        retry_strategy="exponential",
        retry_delay=60,
        timeout=None,
        visibility_timeout=3600,
    )
    assert config.events == EventsConfig(
        redis_url=None, channel="asynctasq:events", enable_event_emitter_redis=False, enable_all=False, sinks=()
    )
    assert config.process_pool == ProcessPoolConfig(size=None, max_tasks_per_child=None)
    assert config.repository == RepositoryConfig(keep_completed_tasks=False)
    assert config.worker == WorkerConfig(lease=30, grace=25, poll_interval=1, concurrency=10, queues=("default",))


def test_flags_beat_code_beats_environment_beats_dotenv_beats_default(tmp_path: Path) -> None:
    """Field by field, with the origin of each and what it overrides."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "\n".join(f"ASYNCTASQ_WORKER_{name}=1" for name in ("LEASE", "GRACE", "CONCURRENCY", "POLL_INTERVAL"))
    )
    environ = {f"ASYNCTASQ_WORKER_{name}": "2" for name in ("LEASE", "GRACE", "CONCURRENCY")}
    config = resolved({"worker": {"lease": 3, "grace": 3}}, flags={"--lease": "4"}, environ=environ, dotenv_path=dotenv)
    worker = config.worker
    assert (worker.lease, worker.grace, worker.concurrency, worker.poll_interval, worker.burst) == (4, 3, 2, 1, False)
    names = ("lease", "grace", "concurrency", "poll_interval", "burst")
    assert [str(config.origins[f"worker.{name}"]) for name in names] == [
        "flag (--lease)",
        "code (worker.grace)",
        "environment (ASYNCTASQ_WORKER_CONCURRENCY)",
        ".env (ASYNCTASQ_WORKER_POLL_INTERVAL)",
        "default",
    ]
    assert config.origins["worker.lease"].overrides == (
        ".env (ASYNCTASQ_WORKER_LEASE)",
        "environment (ASYNCTASQ_WORKER_LEASE)",
        "code (worker.lease)",
    )


def test_an_object_is_whole_and_a_mapping_leaves_the_rest_to_the_environment() -> None:
    """A field that an object leaves at its default is said in code, too."""
    environ = {"ASYNCTASQ_TASK_DEFAULTS_MAX_ATTEMPTS": "9", "ASYNCTASQ_TASK_DEFAULTS_QUEUE": "env"}
    whole = resolved({"task_defaults": TaskDefaultsConfig(queue="code")}, environ=environ).task_defaults
    assert (whole.queue, whole.max_attempts) == ("code", 3)
    part = resolved({"task_defaults": {"queue": "code"}}, environ=environ).task_defaults
    assert (part.queue, part.max_attempts) == ("code", 9)


def test_zero_means_zero_and_an_empty_variable_means_not_set() -> None:
    """No delay is a delay of 0; container files pass variables that are empty."""
    environ = {"ASYNCTASQ_TASK_DEFAULTS_RETRY_DELAY": "0", "ASYNCTASQ_WORKER_LEASE": "", "ASYNCTASQ_DRIVER": ""}
    config = resolved({"task_defaults": None, "driver": None}, flags={"--grace": None}, environ=environ)
    assert config.task_defaults.retry_delay == 0
    assert config.worker.lease == 30
    assert config.driver == "sqlite"


def test_every_kind_of_value_has_a_spelling_as_text() -> None:
    """Lists with commas, weights, words for true and false, none."""
    environ = {
        "ASYNCTASQ_APP": "shop.tasks, mail.tasks",
        "ASYNCTASQ_WORKER_QUEUES": "critical:6,default:3,low",
        "ASYNCTASQ_REPOSITORY_KEEP_COMPLETED_TASKS": "yes",
        "ASYNCTASQ_TASK_DEFAULTS_TIMEOUT": "none",
        "ASYNCTASQ_EVENTS_SINKS": "logging,jsonl",
        "ASYNCTASQ_PROCESS_POOL_SIZE": "4",
        "ASYNCTASQ_SERIALIZER": "json",
    }
    config = resolved(environ=environ)
    assert config.apps == ("shop.tasks", "mail.tasks")
    assert config.worker.queues == ("critical:6", "default:3", "low")
    assert config.repository.keep_completed_tasks is True
    assert config.task_defaults.timeout is None
    assert config.events.enabled_sinks == ("logging", "jsonl")
    assert config.process_pool.size == 4
    assert config.serializer == "json"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"environ": {"ASYNCTASQ_WORKER_LEASE": "soon"}},
            r"ASYNCTASQ_WORKER_LEASE is 'soon'; wanted a number from 0\.1 to 3600",
        ),
        ({"flags": {"--concurrency": "0"}}, "--concurrency is '0'; wanted a whole number from 1 to 10000"),
        (
            {"code": {"task_defaults": {"max_attempts": 0}}},
            r"task_defaults\.max_attempts is 0; wanted a whole number from 1",
        ),
        (
            {"code": {"task_defaults": TaskDefaultsConfig(retry_delay=-1)}},
            r"task_defaults\.retry_delay is -1; wanted a number of at least 0",
        ),
        (
            {"environ": {"ASYNCTASQ_TASK_DEFAULTS_RETRY_STRATEGY": "expotential"}},
            "is 'expotential'; wanted one of fixed, exponential",
        ),
        (
            {"environ": {"ASYNCTASQ_WORKER_LEESE": "3"}},
            r"ASYNCTASQ_WORKER_LEESE: worker has no such setting; did you mean ASYNCTASQ_WORKER_LEASE\?",
        ),
        ({"environ": {"ASYNCTASQ_WORKR_LEASE": "3"}}, r"did you mean ASYNCTASQ_WORKER_LEASE\?"),
        ({"environ": {"ASYNCTASQ_SERIALISER": "json"}}, r"did you mean ASYNCTASQ_SERIALIZER\?"),
        (
            {"flags": {"--worker-leese": "3"}},
            r"--worker-leese: worker has no such setting; did you mean --worker-lease\?",
        ),
        ({"flags": {"--sereal": "3"}}, r"--sereal: asynctasq has no such setting; did you mean --serializer\?"),
        (
            {"code": {"worker": {"leese": 3}}},
            r"worker\.leese: worker has no such setting; did you mean worker\.lease\?",
        ),
        ({"code": {"workers": {}}}, r"'workers' is no setting, .*; did you mean 'worker'\?"),
        ({"code": {"zzz": 1}}, "'zzz' is no setting, no group and no installed driver. There are apps, driver"),
        ({"code": {"worker": 5}}, "worker is of type int; wanted WorkerConfig or a mapping"),
        ({"code": {"worker": EventsConfig()}}, "worker is of type EventsConfig; wanted WorkerConfig"),
        (
            {"environ": {"ASYNCTASQ_APP": "a", "ASYNCTASQ_APPS": "b"}},
            "ASYNCTASQ_APP and ASYNCTASQ_APPS set the same; wanted one of them",
        ),
        (
            {"code": {"task_defaults": {"timeout": 10, "visibility_timeout": 10}}},
            r"task_defaults\.timeout is 10\.0 and task_defaults\.visibility_timeout is 10\.0",
        ),
        ({"code": {"worker": {"queues": "a,b:2,a:3"}}}, "worker.queues lists a twice"),
        ({"code": {"worker": {"queues": []}}}, "worker.queues is .*wanted a list with commas"),
    ],
)
def test_every_wrong_value_is_one_clear_error(keywords: dict[str, Any], message: str) -> None:
    """It names the variable, the argument or the flag, the value, what is allowed, and the closest name."""
    with pytest.raises(ConfigurationError, match=message):
        resolved(**keywords)


def test_variables_of_other_tools_are_let_be_and_listed() -> None:
    """A prefix is no property: only what looks like a misspelt setting is an error."""
    config = resolved(environ={"ASYNCTASQ_TEST_REDIS_URL": "redis://x", "ASYNCTASQ_FROBNICATE": "1", "HOME": "/"})
    assert config.ignored_variables == ("ASYNCTASQ_FROBNICATE", "ASYNCTASQ_TEST_REDIS_URL")


def test_a_dotenv_file_may_not_say_which_plugins_are_allowed(tmp_path: Path) -> None:
    """What lies in the current folder must not decide which code is loaded, and must not be ignored in silence."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("ASYNCTASQ_PLUGINS=acme\n")
    with pytest.raises(ConfigurationError, match=r"ASYNCTASQ_PLUGINS stands in \.env; wanted it in the environment"):
        resolved(dotenv_path=dotenv)


@pytest.mark.parametrize(
    "line", ["ASYNCTASQ_URL redis://:geheim@host", "ASYNCTASQ_URL", "export ASYNCTASQ_URL", " 'ASYNCTASQ_URL' geheim"]
)
def test_a_line_of_a_dotenv_file_that_sets_nothing_is_a_clear_error(tmp_path: Path, line: str) -> None:
    """It names the line; tasks would go to another store without a word otherwise. Other programs' lines are theirs."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"# ASYNCTASQ_URL is set below\nOTHER thing\nOTHER\nASYNCTASQ_WORKER_LEASE=5\n\n{line}\n")
    with pytest.raises(ConfigurationError, match=r"line 6 of .*\.env sets nothing; wanted .* ASYNCTASQ_URL=") as caught:
        resolved(dotenv_path=dotenv)
    assert "geheim" not in str(caught.value)
    others = (
        "OTHER\nOTHER # see ASYNCTASQ_URL\nNOT_ASYNCTASQ_URL\nexport NOT_ASYNCTASQ_URL\nOTHER thing ASYNCTASQ_URL\n"
    )
    dotenv.write_text(f"{others}ASYNCTASQ_WORKER_LEASE=5\nASYNCTASQ_WORKER_GRACE=\n")
    assert resolved(dotenv_path=dotenv).worker.lease == 5


def test_a_dotenv_file_that_is_no_text_is_a_clear_error(tmp_path: Path) -> None:
    """It names the file and what is wanted, instead of going on without it."""
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"ASYNCTASQ_APP=caf\xe9\n")
    with pytest.raises(ConfigurationError, match=r"\.env can't be read \(.*0xe9.*\); wanted a text file in UTF-8"):
        resolved(dotenv_path=dotenv)


@pytest.mark.parametrize(("sink", "field"), [("acme", "target"), ("acme-extra", "target"), ("acme_extra_more", "a_b")])
def test_a_sinks_variable_and_flag_are_read_as_they_are_spelt(sink: str, field: str) -> None:
    """Also where its name has a hyphen, which no variable may have, or begins with another sink's."""
    names = KnownNames(drivers=(), sinks=frozenset({"acme", "acme-extra", "acme_extra_more"}))
    group = f"events.{sink}"
    variable, flag = spell(ENVIRONMENT, group, field), spell(FLAG, group, field)
    assert re.fullmatch("[A-Z0-9_]+", variable)
    found = SettingValue("x", Origin(ENVIRONMENT, variable))
    assert read_variables(ENVIRONMENT, {variable: "x"}, names)[0].values == {group: {field: found}}
    assert list(read_flags({flag: "x"}, names).values[group]) == [field]


def test_a_missing_dotenv_file_is_none(tmp_path: Path) -> None:
    """It need not exist."""
    assert resolved(dotenv_path=tmp_path / ".env").worker.lease == 30


def test_one_switch_is_enough_for_the_events_of_existing_applications() -> None:
    """`enable_event_emitter_redis` and `enable_all` are names of sinks by other words."""
    assert EventsConfig(enable_event_emitter_redis=True).enabled_sinks == ("redis",)
    assert EventsConfig(enable_all=True, sinks=("jsonl", "redis")).enabled_sinks == ("jsonl", "redis", "logging")


def test_the_settings_of_a_sink_come_from_the_same_places(bare: Distributions) -> None:
    """A third party's sink is configured exactly like ours, in the group of events."""
    bare.install("acme-events", "acme_event_sink", event_sinks="acme")
    environ = {"ASYNCTASQ_EVENTS_SINKS": "acme", "ASYNCTASQ_EVENTS_ACME_TARGET": "env"}
    config = resolved(environ=environ)
    (sink,) = cast("tuple[Any]", config.open_event_sinks())
    assert sink.settings.target == "env"
    assert sink.settings.channel == "asynctasq:events"
    code = {"events": {"sink_settings": {"acme": {"target": "code"}}}}
    assert resolved(code, environ=environ).event_sink_settings("acme").redacted()["target"] == "code"
    flags = {"--events-acme-target": "flag"}
    by_flag = resolved(code, environ=environ, flags=flags).event_sink_settings("acme")
    assert by_flag.redacted()["target"] == "flag"
    with pytest.raises(ConfigurationError, match=r"did you mean ASYNCTASQ_EVENTS_ACME_TARGET\?"):
        resolved(environ={"ASYNCTASQ_EVENTS_ACME_TARGTE": "x"}).event_sink_settings("acme")
