"""How namespaces share the tables.

Every row carries a key computed from its namespace's name, as the first column of every index. So a namespace costs
nothing to make, is dropped by a handful of DELETEs, and needs no migration of its own. Whoever wants tables of their
own, to be vacuumed, dumped or granted apart, sets `schema` or `queue_table`.
"""

import hashlib


def namespace_key(name: str) -> int:
    """64 bits of the name's SHA-256, signed as PostgreSQL's bigint. `connect()` checks that no other name has it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def wake_up_channel(schema: str, queue_table: str, namespace: str, queue: str) -> str:
    """The channel of NOTIFY for one queue: within the 63 bytes of an identifier, and shared with no other queue."""
    digest = hashlib.sha256("\0".join((schema, queue_table, namespace, queue)).encode()).hexdigest()
    return f"asynctasq_{digest[:32]}"


def migration_lock(schema: str, queue_table: str) -> int:
    """The key of the advisory lock that lets one caller at a time prepare these tables."""
    digest = hashlib.sha256("\0".join(("asynctasq migrations", schema, queue_table)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
