#!lua flags=allow-oom
-- ARGV: tasks to look at and, about, ids to forget, ticks that dead tasks are kept or '' for ever, queues.
-- Returns {removed, looked at, 1 if there is more}.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
local limit, dead_retention = tonumber(ARGV[1]), ARGV[2]
local left, removed = limit, 0

local function sweep(queue, members, step)
  if #members == 0 then return end
  local keys = {}
  for index, member in ipairs(members) do keys[index] = string.sub(member, 7) end
  for index, blob in ipairs(call('HMGET', META, unpack(keys))) do
    local task = load(blob)
    if task then step(task, keys[index]) else take_out(queue, members[index]) end
  end
  left = left - #members
  send_writes()
end

local function in_zone(queue, zone, to)
  if left <= 0 then return {} end
  return call('ZRANGE', QUEUE .. queue, digits(zone * ZONE), digits(zone * ZONE + to), 'BYSCORE', 'LIMIT', 0, left)
end

local function drop_finished(task, key)
  drop(task, key)
  remember(key, task.remember, task.finished)
  removed = removed + 1
end

for index = 3, #ARGV do
  local queue = ARGV[index]
  if left > 0 then
    sweep(queue, call('ZRANGE', EXPIRING .. queue, '-inf', now, 'BYSCORE', 'LIMIT', 0, left), end_by_time)
  end
  for _, zone in ipairs({ DOOMED, DOOMED_LEASED, CANCEL_REQUESTED }) do sweep(queue, in_zone(queue, zone, now), end_by_time) end
  for _, zone in ipairs({ COMPLETED, CANCELLED }) do sweep(queue, in_zone(queue, zone, now), drop_finished) end
  if dead_retention ~= '' then sweep(queue, in_zone(queue, DEAD, now - tonumber(dead_retention)), drop_finished) end
end

local MOST_BUCKETS = 100
local due = call('ZRANGE', REMEMBERED, '-inf', now, 'BYSCORE', 'LIMIT', 0, MOST_BUCKETS)
local is_more, forgotten = #due == MOST_BUCKETS, 0
for _, name in ipairs(due) do
  if forgotten >= limit then  -- a budget of their own, so that they are not forgotten only when no task is due
    is_more = true
    break
  end
  forgotten = forgotten + call('HLEN', REMEMBERED .. ':' .. name)
  call('UNLINK', REMEMBERED .. ':' .. name)
  call('ZREM', REMEMBERED, name)
end
return { removed + forgotten, limit - left, (left <= 0 or is_more) and 1 or 0 }
