"""In which order a worker asks its queues: strictly as listed, or by weights so that low queues do not starve."""

import re
from collections.abc import Mapping, Sequence

from asynctasq.errors import ConfigurationError

_is_weight = re.compile(r"[1-9][0-9]{0,5}").fullmatch


def parse_queues(text: str) -> dict[str, int | None]:
    """`critical:6,default:3,low` -> queue -> weight, in the order of the text; None where no weight is written.

    Raises:
        ConfigurationError: a weight is not a whole number from 1, a name is empty, or a queue comes twice.
    """
    queues: dict[str, int | None] = {}
    for part in text.split(","):
        name, colon, weight = part.strip().partition(":")
        if not name or (colon and not _is_weight(weight)):
            raise ConfigurationError(f"the queues {text!r} can't be read at {part!r}; wanted such as critical:6,low:1")
        if name in queues:
            raise ConfigurationError(f"the queues {text!r} name {name!r} twice; wanted it once")
        queues[name] = int(weight) if colon else None
    return queues


class QueueOrder:
    """The order for each call of `reserve`."""

    def __init__(self, queues: Sequence[str], weights: Mapping[str, int] | None = None) -> None:
        """With any weight given, a queue without one has the weight 1."""
        self._queues = list(dict.fromkeys(queues))
        self._weights = {queue: (weights or {}).get(queue, 1) for queue in self._queues}
        self._weighted = bool(weights) and len(self._queues) > 1
        self._credits = dict.fromkeys(self._queues, 0)

    def next(self) -> list[str]:
        """The queues in the order of this call. By weights, each queue is first in its share of the calls, evenly
        spread, and the others follow, so that no call comes back empty while there is work."""
        if not self._weighted:
            return self._queues
        credits, weights = self._credits, self._weights
        for queue in self._queues:
            credits[queue] += weights[queue]
        order = sorted(self._queues, key=lambda queue: -credits[queue])
        credits[order[0]] -= sum(weights.values())
        return order
