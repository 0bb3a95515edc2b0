#!lua flags=allow-oom
-- ARGV: number of receipts, lease in ticks, the task keys, the receipts.
-- Returns {ticks left or -1 if stale, 1 if cancellation was requested, ...}.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
--#include arguments.lua
local total, lease_end = take_number(), now + take_number()
local keys = take_many(total)
local blobs = call('HMGET', META, unpack(keys))
local outcomes = {}
for index = 1, total do
  local receipt, left, is_asked = take(), -1, 0
  local task = load(blobs[index])
  if task and task.receipt == receipt and task.lease_end > now then
    if lease_end > task.lease_end then lease_until(task, keys[index], lease_end) end
    left, is_asked = task.lease_end - now, has(task, ASKED_TO_CANCEL) and 1 or 0
  end
  outcomes[#outcomes + 1], outcomes[#outcomes + 2] = left, is_asked
end
send_writes()
return outcomes
