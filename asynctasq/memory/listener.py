"""One listener for wake-ups, woken from any thread and any event loop.

A pair of sockets rather than an event: an event can only be set from its own loop, and handing a call to another loop
would wait for that loop while the store is locked.
"""

import socket


class Listener:
    """A flag with a socket that becomes readable when the flag is set. The store's lock protects the flag."""

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)
        self._notified = False

    def notify(self) -> None:
        """Set the flag. Several times are as good as once, so that there is always room for the one byte."""
        if not self._notified:
            self._notified = True
            self._sender.send(b"!")

    def take(self) -> bool:
        """The flag, which is cleared."""
        if not self._notified:
            return False
        self.receiver.recv(1)
        self._notified = False
        return True

    def close(self) -> None:
        """Close both sockets. The listener is registered nowhere by now."""
        self.receiver.close()
        self._sender.close()
