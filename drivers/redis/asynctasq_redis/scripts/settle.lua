#!lua flags=allow-oom
-- ARGV: number of settlements, their task keys; for each: kind, receipt, and what the kind has:
--   C complete: how many in a row of this receipt   R with a result or follow-ups: '1' or '', result, number of
--   follow-ups, their keys, their runs
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

-- Plain completions are gathered by what the ends of their records say: how long the id is remembered, and the queue.
-- They are sent before a follow-up looks at the store, and at the end.
local plain_keys, plain_number, plain_groups = { 'HDEL', META }, 2, {}
local function send_plain()
  if plain_number == 2 then return end
  send(plain_keys)
  plain_keys[2] = BODY
  send(plain_keys)
  for _, group in pairs(plain_groups) do
    send(group.members)
    count(group.queue, 'completed', group.number)
    if group.duration > 0 then
      group.ids[2] = bucket_of(group.duration, now + group.duration)
      send(group.ids)
    end
  end
  plain_keys, plain_number, plain_groups = { 'HDEL', META }, 2, {}
end

local function plain_group(record_end)
  local duration, queue = unpack_fields('<I6Bc0', record_end)
  local group = { queue = queue, duration = duration, moment = pack('<I6', now + duration), number = 0,
    members = { 'ZREM', QUEUE .. queue }, ids = { 'HSET', '' } }
  plain_groups[record_end] = group
  return group
end

local function complete_plain(key, sequence, group)
  plain_number = plain_number + 1
  plain_keys[plain_number] = key
  local number = group.number + 1
  group.number = number
  group.members[number + 2] = sequence .. key
  if group.duration > 0 then
    local slot = 2 * number
    group.ids[slot + 1], group.ids[slot + 2] = key, group.moment
  end
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

-- What all records of one delivery share, from the lease's end to the worker, of the last one that was found alive; and
-- where their rests start. A record that has this and ends like one that was read before need not be read itself.
local alive, alive_receipt, rest_start = '', '', 1

local function complete_like_the_last(key, receipt, blob)
  if receipt ~= alive_receipt or string.byte(blob, 2) ~= 0 or string.sub(blob, 7, rest_start - 1) ~= alive then
    return false
  end
  local group = plain_groups[string.sub(blob, rest_start + 19)]
  if not group then return false end
  complete_plain(key, string.sub(blob, rest_start, rest_start + 5), group)
  return true
end

local function settle_one(kind, key, receipt, blob, first, second)
  if not is_sound(blob) then return false end
  local _, flags, _, lease_end, _, held = unpack_fields('<BBI4I6I6c12', blob)
  if held ~= receipt or lease_end <= now then return false end
  if flags ~= 0 or not (kind == 'C' or kind == 'R') then
    local task = load(blob)
    if task then settle(kind, task, key, first, second) end
    return task ~= nil
  end
  rest_start = rest_starts_at(blob)
  alive, alive_receipt = string.sub(blob, 7, rest_start - 1), receipt
  local record_end = string.sub(blob, rest_start + 19)
  complete_plain(key, string.sub(blob, rest_start, rest_start + 5), plain_groups[record_end] or plain_group(record_end))
  return true
end

local kind, receipt, first, second
local in_a_row = 0
for index = 1, total do
  local key, is_applied = keys[index], false
  if in_a_row > 0 then
    in_a_row = in_a_row - 1
  else
    kind, receipt = take(), take()
    if kind == 'C' then in_a_row = take_number() - 1 else first, second = take_arguments(kind) end
  end
  local blob = not settled[key] and blobs[index]
  if blob then
    is_applied = kind == 'C' and complete_like_the_last(key, receipt, blob)
      or settle_one(kind, key, receipt, blob, first, second)
  end
  if is_applied then settled[key] = true end
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
