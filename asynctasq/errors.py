"""Every exception of asynctasq, in one tree. This module imports nothing.

An error says what was found, what was wanted and what to do next. Whoever catches `AsyncTasqError` catches
everything that asynctasq raises on purpose; `RetryLater` and `Discard` stand apart, because they are signals that
a task gives, not errors.
"""


class AsyncTasqError(Exception):
    """The root of everything that asynctasq raises on purpose."""


# -- configuration and plugins -------------------------------------------------------------------------------------


class ConfigurationError(AsyncTasqError):
    """A setting, a plugin or a backend that can never work as it is. Trying again does not help."""


class DriverNotFound(ConfigurationError):
    """No installed distribution offers the driver, serializer or sink that was asked for."""


class PluginLoadFailed(ConfigurationError):
    """A plugin's module could not be imported, or its `open` failed."""


class PluginInvalid(ConfigurationError):
    """A plugin was imported, but what it offers is not what the hook specifications ask for."""


class PluginConflict(ConfigurationError):
    """Two distributions offer the same name, so that the choice has to be made by the operator."""


class IncompatiblePlugin(ConfigurationError):
    """A plugin was written for a version of the plugin API that this core does not speak."""


# -- drivers -------------------------------------------------------------------------------------------------------


class DriverError(AsyncTasqError):
    """The root of what a driver's methods raise."""


class DriverUnavailable(DriverError):
    """The backend did not answer, or not in time: *it is unknown whether the call was applied*.

    Every mutating method of a driver is safe to send again after it.
    """


class DriverClosed(DriverError):
    """The driver is not connected: before `connect()`, after `disconnect()`, or in a forked child."""


class InvalidArgument(DriverError):
    """An argument is outside the bounds of the contract. Nothing of the call was applied."""


class PayloadTooLarge(DriverError):
    """A payload or a result is larger than `traits.limits.max_payload_bytes`. Nothing of the call was applied."""


class QueueFull(DriverError):
    """The store has no room. Nothing of the call was applied; the same call may work later."""


class StorageMissing(DriverError):
    """The store has no schema, or an older one. `asynctasq migrate` creates or upgrades it."""


class StorageTooNew(DriverError):
    """The store's schema was written by a newer version of the driver. Upgrade the driver."""


class TransactionAborted(DriverError):
    """The store itself ended the caller's transaction: roll back, and begin again."""


# -- serialization -------------------------------------------------------------------------------------------------


class SerializationError(AsyncTasqError):
    """A value cannot be encoded."""


class DeserializationError(AsyncTasqError):
    """Stored bytes cannot be decoded, or do not fit the task's annotations."""


class NeedsLoading(DeserializationError):
    """Stored bytes refer to values that have to be loaded first, such as rows of the application's database."""


# -- definitions ---------------------------------------------------------------------------------------------------


class DefinitionError(AsyncTasqError):
    """A task is written in a way that can never run."""


class ReservedParameterName(DefinitionError):
    """A task's parameter has a name that asynctasq needs for itself. Rename the parameter."""


class UnknownOption(DefinitionError):
    """An option of a task that does not exist; the message names the closest one that does."""


# -- tasks ---------------------------------------------------------------------------------------------------------


class TaskError(AsyncTasqError):
    """The root of what becomes of a task."""


class TaskFailed(TaskError):
    """The task ended as a dead letter. `type_name` and `traceback` tell of the exception that ended it.

    Exceptions travel as text: the class is never looked up, and never built again from what was stored.
    """

    def __init__(self, message: str, *, type_name: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name
        self.traceback = traceback


class AttemptsExhausted(TaskError):
    """The body was started `max_attempts` times already (crashes count), so it was not started again."""


class TaskCancelled(TaskError):
    """The task was cancelled or discarded."""


class TaskTimedOut(TaskError):
    """One attempt took longer than its `timeout`."""


class LeaseLost(TaskError):
    """This delivery's lease ended: the task may run elsewhere, and what this run does no longer counts."""


class ResultNotReady(TaskError):
    """The task has not ended within the time that the caller was ready to wait."""


class ResultNotKept(TaskError):
    """The task ended, but its result was not kept, or is kept no longer."""


class ResultTooLarge(TaskError):
    """The task's result is larger than the driver's payload limit."""


class RunningEventLoop(AsyncTasqError, RuntimeError):
    """A function for synchronous code was called inside a running event loop, which it would block."""


class UnknownTask(TaskError):
    """No task of this name was registered by the application's own imports, or no task has this id."""


# -- signals that a task may raise ---------------------------------------------------------------------------------


class TaskSignal(Exception):
    """What a task raises to steer its own settlement. Not an error."""


class RetryLater(TaskSignal):
    """Raised by a task: run me again after `delay` seconds. It does not count as an attempt."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__(f"run again after {delay} seconds")
        self.delay = delay


class Discard(TaskSignal):
    """Raised by a task: drop me. The task ends as cancelled, with this reason; `failed()` is not called."""

    def __init__(self, reason: str = "discarded") -> None:
        super().__init__(reason)
        self.reason = reason
