"""The tasks of the demonstration: walk folders, and count the identifiers of files.

Both are idempotent by their ids: a folder that is walked again, because its worker was killed, dispatches the same ids
again, and those are duplicates.
"""

import hashlib
import os

from anyio import to_thread

from asynctasq import dispatch_many, task
from asynctasq.demo.identifiers import FileCount, count_identifiers
from asynctasq.demo.source_files import list_folder, rank

FILES = "demo-files"
FOLDERS = "demo-folders"
QUEUES = (FILES, FOLDERS)
"""In order of precedence: files first, so that folders are walked as the files run out."""
KEEP_RESULTS = 3600.0


def task_id(kind: str, path: str) -> str:
    """The id of the one task that looks at this path."""
    return f"{kind}-{hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()}"


@task(
    queue=FILES,
    max_attempts=3,
    retry_delay=0.2,
    retry_strategy="fixed",
    keep_result=KEEP_RESULTS,
    name="demo.count_file",
)
def count_file(path: str) -> FileCount:
    """Count one file's identifiers; it runs in a thread. A file that can't be read or tokenized fails."""
    return count_identifiers(path)


@task(queue=FOLDERS, max_attempts=10, retry_delay=0.2, keep_result=KEEP_RESULTS, name="demo.walk_folder")
async def walk_folder(folder: str, bound: int) -> int:
    """Dispatch a task for every file and every folder in this folder; the number of files."""
    folders, files = await to_thread.run_sync(list_folder, folder)
    sampled = [path for path in files if rank(path) < bound]
    invocations = [
        *(walk_folder(path, bound).task_id(task_id("folder", path)) for path in folders),
        *(count_file(path).task_id(task_id("file", path)) for path in sampled),
    ]
    if invocations:
        await dispatch_many(invocations)
    return len(sampled)
