"""Where the threads of this process are, as text."""

import sys
import threading
import traceback
from types import FrameType


def stack_of_thread(thread: int) -> str:
    """The stack of one thread, by its identifier."""
    frame = _frames().get(thread)
    return "(the thread has ended)\n" if frame is None else "".join(traceback.format_stack(frame))


def stacks_of_threads() -> str:
    """The stacks of all threads."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(f"thread {names.get(thread, thread)}:\n{stack_of_thread(thread)}" for thread in _frames())


def _frames() -> dict[int, FrameType]:
    return sys._current_frames()  # pyright: ignore[reportPrivateUsage] - public by its documentation
