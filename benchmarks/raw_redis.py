"""The ceiling on Redis: a Lua script that claims and one that settles, with a hash per task.

It fences nothing, remembers nothing, counts nothing and knows one queue without priorities.
"""

import time
import uuid

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ENQUEUE = """
for i = 1, #ARGV do
  local id = redis.call('INCR', KEYS[1] .. ':id')
  redis.call('HSET', KEYS[1] .. ':' .. id, 'payload', ARGV[i])
  redis.call('ZADD', KEYS[1], 0, id)
end
"""
CLAIM = """
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local out = {}
for i, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], ARGV[3], id)
  out[i] = {id, redis.call('HGET', KEYS[1] .. ':' .. id, 'payload')}
end
return out
"""
SETTLE = """
for i = 1, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[i])
  redis.call('DEL', KEYS[1] .. ':' .. ARGV[i])
end
"""


class RawRedis:
    """Two round trips a cycle, as a queue without a contract needs them."""

    def __init__(self, url: str) -> None:
        self._key = f"{{raw-{uuid.uuid4().hex}}}"
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0))

    async def open(self) -> None:
        self._enqueue = self._redis.register_script(ENQUEUE)
        self._claim = self._redis.register_script(CLAIM)
        self._settle = self._redis.register_script(SETTLE)
        for script in (self._enqueue, self._claim, self._settle):
            await self._redis.script_load(script.script)

    async def close(self) -> None:
        async for key in self._redis.scan_iter(f"{self._key}*", count=1000):
            await self._redis.unlink(key)
        await self._redis.aclose()

    async def insert(self, payloads: list[bytes]) -> None:
        """One script."""
        await self._enqueue(keys=[self._key], args=payloads)

    async def drain(self, batch: int) -> float:
        """Claim and settle everything, `batch` at a time; the seconds that it took."""
        started = time.perf_counter()
        while claimed := await self._claim(keys=[self._key], args=[1, batch, 10**10]):
            await self._settle(keys=[self._key], args=[row[0] for row in claimed])
        return time.perf_counter() - started
