"""How namespaces share the tables.

Every row carries a key computed from its namespace's name, as the first column of every index. So a namespace costs
nothing to make, is dropped by a handful of DELETEs, and needs no migration of its own. Whoever wants tables of their
own, to be vacuumed, dumped or granted apart, sets `schema` or `queue_table`.
"""

import hashlib


def namespace_key(name: str) -> int:
    """64 bits of the name's SHA-256, signed as PostgreSQL's bigint. `connect()` checks that no other name has it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def first_line(namespace: int, queue: str) -> int:
    """The number of a queue's line of priority 9; those of 8 to 0 are the next nine.

    It stands at the head of the index that every claim and every enqueue goes through, where one integer is much
    cheaper than a namespace, a queue's name and a priority. 60 bits of a hash: should two queues ever share a line,
    then a claim looks at the other one's tasks for nothing, since it asks for its own queue's name as well.
    """
    digest = hashlib.sha256(f"{namespace}\0{queue}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True) & ~15


def wake_up_channel(schema: str, queue_table: str, namespace: str, queue: str) -> str:
    """The channel of NOTIFY for one queue: within the 63 bytes of an identifier, and shared with no other queue."""
    digest = hashlib.sha256("\0".join((schema, queue_table, namespace, queue)).encode()).hexdigest()
    return f"asynctasq_{digest[:32]}"


def migration_lock(schema: str, queue_table: str) -> int:
    """The key of the advisory lock that lets one caller at a time prepare these tables."""
    digest = hashlib.sha256("\0".join(("asynctasq migrations", schema, queue_table)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
