#!lua flags=allow-oom
-- ARGV: task keys. Returns for each: 'R' (replayed), 'L' (not dead), 'N' (no record), or 'D' .. the key in the way.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
local function replay(key)
  local task = load(call('HGET', META, key))
  if not task then return 'N' end
  local state = end_by_time(task, key)
  send_writes()
  if state == 'gone' then return 'N' end
  if state ~= 'dead' then return 'L' end
  if task.dedupe ~= '' then
    local field = dedupe_field(task.queue, task.dedupe)
    local holder = call('HGET', DEDUPE, field)
    if holder and holder ~= key and is_live(holder) then return 'D' .. holder end
    write('HSET', DEDUPE, field, key)
  end
  clear(task, ASKED_TO_CANCEL)
  task.attempts, task.due, task.expiry, task.finished, task.reason = 0, now, 0, 0, ''
  wait_until_due(task, key)
  send_writes()
  wake(task.queue)
  return 'R'
end

local outcomes = {}
for index, key in ipairs(ARGV) do outcomes[index] = replay(key) end
return outcomes
