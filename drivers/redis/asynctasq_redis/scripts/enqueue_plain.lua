#!lua
-- One task without dedupe key, expiry, due time or retention: what `enqueue.lua` does, for a third of the time.
-- ARGV: key, queue, priority, delay, remember, body.
-- Returns 'A' (accepted), 'D' (duplicate), or '?': there is a record of this id, and `enqueue.lua` has to look at it.
--#include clock.lua
--#include keys.lua
--#include layout.lua
local key, queue, priority, delay, remember, body = unpack(ARGV)
if call('HEXISTS', META, key) == 1 then return '?' end
for _, name in ipairs(call('ZRANGEBYSCORE', REMEMBERED, above(now), '+inf')) do
  local moment = call('HGET', REMEMBERED .. ':' .. name, key)
  if moment and unpack_fields('<I6', moment) > now then return 'D' end
end
local zone, due = (9 - priority) * 2, now + delay
local order = pack('>I6', call('INCR', prefix .. 'sequence'))
call('HSET', META, key, pack(FRONT, zone, 0, 0, 0, 0, NO_RECEIPT, 0, '')
  .. pack(REST, order, priority, due, now, remember, #queue, queue))
call('HSET', BODY, key, body)
call('ZADD', QUEUE .. queue, digits(zone * ZONE + due), order .. key)
call('SADD', QUEUES, queue)
if due <= now then call('PUBLISH', READY .. queue, '') end
return 'A'
