#!lua flags=allow-oom
-- One slice of a purge. ARGV: queue, tasks to look at, states ('' = every one).
-- What time has ended is stored first, so that each task is purged by the state that it is in.
-- Returns {tasks looked at, tasks of these states that are left}.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
--#include ranges.lua
local queue, left = ARGV[1], tonumber(ARGV[2])
local key = QUEUE .. queue
local looked = 0

local function sweep(members, step)
  if #members == 0 then return end
  local keys = {}
  for index, member in ipairs(members) do keys[index] = string.sub(member, 7) end
  for index, blob in ipairs(call('HMGET', META, unpack(keys))) do
    local task = load(blob)
    if task then step(task, keys[index]) else take_out(queue, members[index]) end
  end
  left, looked = left - #members, looked + #members
  send_writes()
end

local function remove(task, task_key)
  free_dedupe_key(task, task_key)
  stop_expiring(task, task_key)
  drop(task, task_key)
end

sweep(call('ZRANGE', EXPIRING .. queue, '-inf', now, 'BYSCORE', 'LIMIT', 0, left), end_by_time)
for _, zone in ipairs({ DOOMED, DOOMED_LEASED, CANCEL_REQUESTED }) do
  if left > 0 then
    sweep(call('ZRANGE', key, digits(zone * ZONE), digits(zone * ZONE + now), 'BYSCORE', 'LIMIT', 0, left), end_by_time)
  end
end

local remaining = 0
for index = 3, #ARGV do
  for _, range in ipairs(ranges_of(ARGV[index])) do
    if left > 0 then sweep(call('ZRANGE', key, range[1], range[2], 'BYSCORE', 'LIMIT', 0, left), remove) end
    remaining = remaining + call('ZCOUNT', key, range[1], range[2])
  end
end
return { looked, remaining }
