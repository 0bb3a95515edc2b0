"""How a task's id is written in the store: a UUID as its 16 bytes, which halves what ids cost; any other id as text.

Byte 8 of a UUID is at least 0x80 and an id's text is ASCII, so that no two ids share a key.
"""

import re

_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_UUID_BYTES = 16
_UUID_TEXT = 36


def key_of(task_id: str) -> bytes:
    """The key of a task."""
    if len(task_id) == _UUID_TEXT and _is_uuid(task_id):
        return bytes.fromhex(task_id.replace("-", ""))
    return task_id.encode()


def id_of(key: bytes) -> str:
    """The id of the task that has this key."""
    if len(key) == _UUID_BYTES and key[8] >= 0x80:
        text = key.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return key.decode(errors="replace")
