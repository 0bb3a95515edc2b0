"""From a driver's record to what a dashboard shows of a task."""

from typing import Any

from asynctasq.contract.envelopes import TaskRecord, TaskState
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import AsyncTasqError, DeserializationError
from asynctasq.monitoring.models import STATUS_OF, TaskInfo
from asynctasq.runtime.frame import Frame, Headers, decode_frame
from asynctasq.runtime.serializer_lookup import installed_serializers
from asynctasq.tasks.parameters import Arguments
from asynctasq.tasks.task_registry import default_registry


class TaskInfoReader:
    """Decodes arguments and results: by the task's annotations, if it is defined in this process, else as plain data.
    What can't be decoded is shown as a sentence that says so, and never raises."""

    def __init__(self, serializer: Serializer | None = None) -> None:
        self._serializers: dict[str, Serializer] | None = None
        self._own = serializer

    def read(self, record: TaskRecord) -> TaskInfo:
        """One task."""
        frame = self._frame(record)
        headers = Headers() if frame is None else frame.headers
        arguments = self._arguments(record, frame)
        last = record.failures[-1] if record.failures else None
        return TaskInfo(
            id=record.id,
            name=record.name,
            queue=record.queue,
            status=STATUS_OF[record.state],
            enqueued_at=record.enqueued_at,
            started_at=record.started_at,
            completed_at=record.finished_at,
            duration_ms=self.duration_ms(record),
            worker_id=record.worker,
            attempt=record.attempts,
            max_attempts=headers.max_attempts,
            args=arguments.positional,
            kwargs=arguments.by_name,
            result=self._result(record, headers),
            exception=record.reason if last is None else f"{last.type}: {last.message}",
            traceback=None if last is None else last.traceback or None,
            priority=record.priority,
            timeout_seconds=headers.timeout,
            correlation_id=record.correlation_id,
        )

    @staticmethod
    def duration_ms(record: TaskRecord) -> float | None:
        """How long the attempt took that ended the task; None for what still lives, or expired while it waited."""
        if record.started_at is None or record.finished_at is None or record.reason == "expired":
            return None
        return max((record.finished_at - record.started_at).total_seconds() * 1000.0, 0.0)

    def _frame(self, record: TaskRecord) -> Frame | None:
        try:
            return decode_frame(record.payload)
        except DeserializationError:
            return None

    def _arguments(self, record: TaskRecord, frame: Frame | None) -> Arguments:
        if frame is None:
            return Arguments((), {"payload": f"<{len(record.payload)} bytes that this version can't read>"})
        try:
            serializer = self._serializer(frame.headers.content_type)
            definition = default_registry.get(record.name)
            if definition is not None:
                return definition.decode_arguments(serializer, frame.body)
            plain = serializer.decoder(dict[str, Any])(frame.body)
        except AsyncTasqError as error:
            return Arguments((), {"payload": f"<{len(frame.body)} bytes: {error}>"})
        return Arguments((), plain)

    def _result(self, record: TaskRecord, headers: Headers) -> Any:
        if record.result is None or record.state is not TaskState.COMPLETED:
            return None
        try:
            serializer = self._serializer(headers.content_type)
            definition = default_registry.get(record.name)
            if definition is not None:
                return definition.decode_result(serializer, record.result)
            return serializer.decoder(Any)(record.result)
        except AsyncTasqError as error:
            return f"<{len(record.result)} bytes: {error}>"

    def _serializer(self, content_type: str) -> Serializer:
        if self._serializers is None:
            self._serializers = installed_serializers()
            if self._own is not None:
                self._serializers[self._own.content_type] = self._own
        if content_type not in self._serializers:
            raise DeserializationError(f"no serializer for the content type {content_type!r} is installed")
        return self._serializers[content_type]
