"""What a command's exit code says. Scripts and process managers rely on it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    FINE = 0
    """It worked; a worker that ended gracefully after SIGTERM as well."""
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    """The backend does not answer."""
    NOT_LOADABLE = 4
    """The application, a plugin or the configuration can't be loaded."""
    STORAGE = 5
    """The storage is missing, or not of this version."""
    INTERRUPTED = 130
    """Forced by SIGINT."""
    TERMINATED = 143
    """Forced by SIGTERM."""
