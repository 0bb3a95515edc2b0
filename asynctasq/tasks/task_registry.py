"""The tasks that this process knows. Only the application's own imports fill it: a payload never causes one."""

from collections.abc import Iterator

from asynctasq.errors import DefinitionError
from asynctasq.tasks.task_definition import TaskDefinition


class TaskRegistry:
    """Task name -> definition."""

    def __init__(self) -> None:
        self._definitions: dict[str, TaskDefinition] = {}

    def get(self, name: str) -> TaskDefinition | None:
        """The definition of this name, or None."""
        return self._definitions.get(name)

    def register(self, definition: TaskDefinition) -> None:
        """Add a definition. The same one, imported again or reloaded, takes the older one's place.

        Raises:
            DefinitionError: another definition has this name; the message names both places.
        """
        known = self._definitions.get(definition.name)
        if known is not None and not known.place.is_rewritten_by(definition.place):
            raise DefinitionError(
                f"two tasks are named {definition.name!r}: {known.place} and {definition.place}. "
                "Give one of them another name with name="
            )
        self._definitions[definition.name] = definition

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._definitions)

    def __iter__(self) -> Iterator[TaskDefinition]:
        return iter(list(self._definitions.values()))

    def __len__(self) -> int:
        return len(self._definitions)


default_registry = TaskRegistry()
"""Filled by `@task` and by class statements."""
