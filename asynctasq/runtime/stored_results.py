"""Results, as they come out of the store."""

from collections.abc import Callable
from typing import Any

from asynctasq.contract.envelopes import TaskRecord
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.frame import Headers, decode_frame
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_details import TaskDetails
from asynctasq.tasks.task_registry import default_registry


class StoredResults:
    """Decodes results, whichever installed serializer encoded them."""

    def __init__(
        self, serializer: Serializer, *, open_other: Callable[[str], Serializer] = SerializerFactory.create
    ) -> None:
        """`serializer` is the application's own; `open_other` makes one for another content type."""
        self._serializers = {serializer.content_type: serializer}
        self._open_other = open_other

    def decode(self, details: TaskDetails, definition: TaskDefinition | None) -> Any:
        """The result of a completed task, of the type that its definition says, if there is one in this process.

        Raises:
            DeserializationError: it does not fit.
            DriverNotFound: its serializer is not installed here.
        """
        serializer = self._serializers.get(details.content_type)
        if serializer is None:
            serializer = self._serializers[details.content_type] = self._open_other(details.content_type)
        definition = definition or default_registry.get(details.name)
        stored = details.result or b""
        return serializer.decoder(Any)(stored) if definition is None else definition.decode_result(serializer, stored)


def task_details(record: TaskRecord) -> TaskDetails:
    """A record with the options of its frame. A payload that is no frame of ours shows the defaults."""
    try:
        headers = decode_frame(record.payload).headers
    except DeserializationError:
        headers = Headers()
    return TaskDetails(
        **{name: getattr(record, name) for name in TaskRecord.__struct_fields__},
        **{name: getattr(headers, name) for name in Headers.__struct_fields__ if name != "trace"},
    )
