#!lua flags=allow-oom
-- ARGV: task keys. Returns a string of 'C' (cancelled), 'R' (requested), 'T' (too late), 'N' (not found).
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
local remembered = which_are_remembered(ARGV)

local function cancel_one(index, key)
  local blob = call('HGET', META, key)
  if not blob then return remembered[index] and 'T' or 'N' end
  local task = load(blob)
  if not task then return 'T' end
  local state, since = end_by_time(task, key)
  if state == 'ready' or state == 'scheduled' then
    cancel(task, key, now, 'cancelled')
    return 'C'
  elseif state == 'leased' then
    if not has(task, ASKED_TO_CANCEL) then
      set(task, ASKED_TO_CANCEL)
      lease_until(task, key, task.lease_end)
    end
    return 'R'
  elseif state == 'cancelled' then
    return 'C'
  elseif state == 'gone' then
    return since + task.remember > now and 'T' or 'N'
  end
  return 'T'
end

local outcomes = {}
for index, key in ipairs(ARGV) do
  outcomes[index] = cancel_one(index, key)
  send_writes()
end
return table.concat(outcomes)
