"""Receipts: 12 characters that are new with every call of the reserve script, and the task's key in hexadecimal digits.

A script leases a task at most once, so that the two together name one delivery.
"""

import secrets

from asynctasq.driver_api import Receipt

_NONCE_BYTES = 9
_NONCE_LENGTH = 12
_NO_RECEIPT = b"", ""


def new_nonce() -> str:
    """The part of a receipt that the store keeps."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def receipt_of(nonce: str, key: bytes) -> Receipt:
    """The receipt of one delivery."""
    return Receipt(nonce + key.hex())


def key_and_nonce(receipt: str) -> tuple[bytes, str]:
    """The task's key and the nonce. A string that is no receipt gives a key that no task has."""
    digits = receipt[_NONCE_LENGTH:]
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        return _NO_RECEIPT
    if key.hex() != digits or not receipt.isascii():  # spaces and capitals, which `fromhex` takes, were never issued
        return _NO_RECEIPT
    return key, receipt[:_NONCE_LENGTH]
