"""Receipts: 12 characters that are new with every call of the reserve script, and the task's id.

A script leases a task at most once, so that the two together name one delivery.
"""

import secrets

from asynctasq.driver_api import Receipt
from asynctasq_redis.task_keys import key_of

_NONCE_BYTES = 9
_NONCE_LENGTH = 12
_NO_KEY = b""


def new_nonce() -> str:
    """The part of a receipt that the store keeps."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def receipt_of(nonce: str, task_id: str) -> Receipt:
    """The receipt of one delivery."""
    return Receipt(nonce + task_id)


def key_and_nonce(receipt: str) -> tuple[bytes, str]:
    """The task's key and the nonce. A string that is no receipt gives a key that no task has."""
    if not receipt.isascii() or len(receipt) <= _NONCE_LENGTH:
        return _NO_KEY, ""
    return key_of(receipt[_NONCE_LENGTH:]), receipt[:_NONCE_LENGTH]
