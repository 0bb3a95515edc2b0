#!lua flags=allow-oom
-- ARGV: number of settlements, their task keys; for each: kind, receipt, and what the kind has:
--   C complete: nothing   R with a result or follow-ups: '1' or '', result, number of follow-ups, their keys, their runs
--   T retry: delay, failure   L release: delay   B bury: reason, failure   X cancel: reason
-- Returns a string of 'A' (applied) and 'S' (stale).
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
--#include arguments.lua
--#include accept.lua
local total = take_number()
local keys = take_many(total)
local blobs = call('HMGET', META, unpack(keys))
local outcomes, settled = {}, {}

-- Plain completions, gathered: the lists are sent before a follow-up looks at the store, and at the end.
local plain_metas, plain_bodies, plain_members, plain_ids = { 'HDEL', META }, { 'HDEL', BODY }, {}, {}
local function send_plain()
  if #plain_metas == 2 then return end
  send(plain_metas)
  send(plain_bodies)
  for _, members in pairs(plain_members) do
    send(members)
    count(members.queue, 'completed', #members - 2)
  end
  for duration, ids in pairs(plain_ids) do
    ids[2] = bucket_of(duration, now + duration)
    send(ids)
  end
  plain_metas, plain_bodies, plain_members, plain_ids = { 'HDEL', META }, { 'HDEL', BODY }, {}, {}
end

local function complete_plain(key, sequence, queue, duration)
  plain_metas[#plain_metas + 1] = key
  plain_bodies[#plain_bodies + 1] = key
  local members = plain_members[queue]
  if not members then
    members = { 'ZREM', QUEUE .. queue, queue = queue }
    plain_members[queue] = members
  end
  members[#members + 1] = sequence .. key
  if duration == 0 then return end
  local ids = plain_ids[duration]
  if not ids then
    ids = { 'HSET', '', moment = pack('<I6', now + duration) }
    plain_ids[duration] = ids
  end
  local slot = #ids
  ids[slot + 1], ids[slot + 2] = key, ids.moment
end

local function complete(task, key, result)
  finish(task, key, now, '')
  count(task.queue, 'completed')
  if task.keep == 0 then
    drop(task, key)
    return remember(key, task.remember, now)
  end
  if result then
    set(task, HAS_RESULT)
    write('HSET', RESULT, key, result)
  end
  place(task, key, COMPLETED, now + task.keep)
end

local MOST_FAILURES = 10
local function add_failure(task, key, failure)
  set(task, HAS_FAILURES)
  call('RPUSH', FAILURES .. key, pack('<I4I6Bc0', task.attempts, now, #task.worker, task.worker) .. failure)
  call('LTRIM', FAILURES .. key, -MOST_FAILURES, -1)
end

local function wait_again(task, key, delay, is_retry)
  if has(task, ASKED_TO_CANCEL) then return cancel(task, key, now, 'cancelled') end
  if task.expiry > 0 and task.expiry <= now then return die(task, key, now, 'expired') end
  if is_retry then count(task.queue, 'retried') end
  task.due = now + delay
  wait_until_due(task, key)
  if delay == 0 then wake(task.queue) end
end

local function settle(kind, task, key, first, second)
  if kind == 'C' or kind == 'R' then
    complete(task, key, kind == 'R' and first == '1' and second)
  elseif kind == 'T' then
    add_failure(task, key, second)
    wait_again(task, key, tonumber(first), true)
  elseif kind == 'L' then
    task.attempts = task.attempts - 1
    wait_again(task, key, tonumber(first), false)
  elseif kind == 'B' then
    add_failure(task, key, second)
    die(task, key, now, first)
  else
    cancel(task, key, now, first)
  end
end

-- The arguments of a kind, taken off the stream whether the item is stale or not.
local function take_arguments(kind)
  if kind == 'C' then return nil end
  if kind == 'L' or kind == 'X' then return take(), nil end
  return take(), take()
end

local function skip_runs(number)
  while number > 0 do
    local length = take_number()
    position = position + 8 + length
    number = number - length
  end
end

for index = 1, total do
  local key, kind, receipt = keys[index], take(), take()
  local first, second = take_arguments(kind)
  local blob, is_applied = not settled[key] and blobs[index], false
  if is_sound(blob) then
    local _, flags, _, lease_end, _, held = unpack_fields('<BBI4I6I6c12', blob)
    if held == receipt and lease_end > now then
      local is_plain = flags == 0 and (kind == 'C' or kind == 'R')
      local task = not is_plain and load(blob)
      is_applied = is_plain or task ~= nil
      settled[key] = is_applied
      if is_plain then
        local sequence, _, _, _, duration, queue = unpack_fields(REST, blob, rest_starts_at(blob))
        complete_plain(key, sequence, queue, duration)
      elseif task then
        settle(kind, task, key, first, second)
      end
    end
  end
  outcomes[index] = is_applied and 'A' or 'S'
  if kind == 'R' then
    local follow_ups = take_number()
    local follow_up_keys = take_many(follow_ups)
    if not is_applied then
      skip_runs(follow_ups)
    elseif follow_ups > 0 then
      send_plain()
      send_writes()
      accept(follow_up_keys)
    end
  end
end
send_plain()
send_writes()
return table.concat(outcomes)
