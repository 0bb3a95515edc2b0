"""Names that a driver may not have, because they begin environment variables and flags of the core."""

RESERVED_DRIVER_NAMES = frozenset(
    {
        "app", "apps", "burst", "concurrency", "config", "debug", "disable", "driver", "dry", "events", "grace",
        "health", "json", "lease", "log", "max", "plugins", "poll", "process", "queues", "reload", "repository",
        "serializer", "task", "test", "url", "worker", "yes",
    }
)  # fmt: skip
"""The first word of every `ASYNCTASQ_...` variable and every `--...` flag that is not a driver's."""
