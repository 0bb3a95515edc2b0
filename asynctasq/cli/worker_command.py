"""`asynctasq worker`."""

import logging
import sys
from functools import partial
from importlib.metadata import version

import click

from asynctasq.app import application
from asynctasq.cli.application import load_application, settings_before_import
from asynctasq.cli.command_state import state_of
from asynctasq.cli.logging_setup import configure_logging
from asynctasq.cli.reloading import run_reloading
from asynctasq.cli.setting_flags import ConfiguredCommand, typed_arguments
from asynctasq.cli.worker_process import run_worker
from asynctasq.config import Config, set_flags
from asynctasq.event_loop import has_uvloop, run_event_loop
from asynctasq.tasks.task_registry import default_registry
from asynctasq.worker_application import WorkerApplication, make_worker

_logger = logging.getLogger("asynctasq.worker")

_LISTED_TASKS = 12


@click.command(
    cls=ConfiguredCommand,
    general_flags=("apps", "driver", "url", "serializer"),
    groups=("worker", "process_pool", "events", "repository"),
)
@click.option("--reload", is_flag=True, help="Start anew when a Python file changes; for development.")
@click.pass_context
def worker(ctx: click.Context, reload: bool) -> int:
    """Run the tasks of one or more queues.

    The application is what --app names, else ASYNCTASQ_APP or the configuration, else tasks.py, app.py, main.py or
    app/tasks.py in the current folder.

    SIGTERM or Ctrl-C finishes what runs and ends; a second one cancels and releases it; a third one ends at once.
    SIGTSTP takes nothing new. SIGUSR1 logs what is held, and all stacks.
    """
    if reload:
        return run_reloading([word for word in typed_arguments(ctx) if word != "--reload"])
    state = state_of(ctx)
    set_flags(state.flags)
    before = settings_before_import(state.flags)
    level = logging.getLevelNamesMapping()[before.worker.log_level]
    configure_logging(before.worker.log_format, state.log_level(level))
    apps = load_application(before.apps)
    made = make_worker(application(), apps, flags=state.flags)
    _announce(made, apps)
    run_event_loop(partial(run_worker, made), event_loops=made.loaded_driver.spec.event_loops)
    return made.worker.exit_code


def _announce(made: WorkerApplication, apps: tuple[str, ...]) -> None:
    """Say what is loaded, from where, and what the next signal does."""
    config, plugin = made.application.config, made.loaded_driver.plugin
    loop = "uvloop" if has_uvloop() else "without uvloop"
    _logger.info("asynctasq %s on Python %s, %s", version("asynctasq"), sys.version.split()[0], loop)
    names = default_registry.names()
    more = f" and {len(names) - _LISTED_TASKS} more" if len(names) > _LISTED_TASKS else ""
    _logger.info("application %s: %s: %s%s", ", ".join(apps), _number_of(names), ", ".join(names[:_LISTED_TASKS]), more)
    _logger.info("driver %s, of %s: %s", made.loaded_driver.spec.name, plugin, _place(config))
    for loaded in made.application.registry.loaded:
        if loaded.plugin != plugin:
            _logger.info("%s %s, of %s", loaded.plugin.kind.noun, loaded.spec.name, loaded.plugin)
    _logger.info(
        "queues %s, %d tasks at a time; SIGTERM or Ctrl-C finishes what runs, for at most %g s, the next one cancels "
        "and releases it",
        ", ".join(config.worker.queues),
        config.worker.concurrency,
        config.worker.grace,
    )


def _place(config: Config) -> str:
    """Where the store is, without its password."""
    settings = config.driver_settings()
    shown = settings.redacted()
    place = shown.get(settings.url_field or "") or shown.get("path")
    return f"{place}, namespace {settings.namespace}" if place else f"namespace {settings.namespace}"


def _number_of(names: list[str]) -> str:
    return "1 task" if len(names) == 1 else f"{len(names)} tasks"
