#!lua flags=allow-oom
-- ARGV: limit, lease in ticks, worker, 12 characters that are new with every call, queues.
-- Returns {1 if it stopped before it had looked at every queue, else 0,
--          queue index from 0, priority, {key, body, attempt, enqueued, ...}, ...}.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
local limit, lease_end, worker, receipt = tonumber(ARGV[1]), now + tonumber(ARGV[2]), ARGV[3], ARGV[4]
local queues = { unpack(ARGV, 5) }

local SLICE = 100           -- tasks looked at before the sizes of their bodies are added up
local MOST_BYTES = 8388608  -- of bodies in one reply
local MOST_ENDED = 200      -- tasks ended by time that one call clears away
local ended, bytes, taken = 0, 0, 0
local delivery = pack('<I6I6', lease_end, now) .. receipt .. pack('Bc0', #worker, worker)
local found = { 0 }

-- The next members of a priority: waiting tasks that are due and lapsed leases, merged by time and sequence.
local function next_members(key, zone, number)
  local from, leased_from = zone * ZONE, (zone + 1) * ZONE
  local due = call('ZRANGE', key, digits(from), digits(from + now), 'BYSCORE', 'LIMIT', 0, number)
  local lapsed = call('ZRANGE', key, digits(leased_from), digits(leased_from + now), 'BYSCORE', 'LIMIT', 0, number)
  if #lapsed == 0 then return due end
  local merged = {}
  local function add(members, base)
    if #members == 0 then return end
    local times = call('ZMSCORE', key, unpack(members))
    for index, member in ipairs(members) do
      merged[#merged + 1] = { tonumber(times[index]) - base, sequence_of(member), member }
    end
  end
  add(due, from)
  add(lapsed, leased_from)
  table.sort(merged, function(one, other)
    if one[1] ~= other[1] then return one[1] < other[1] end
    return one[2] < other[2]
  end)
  local members = {}
  for index = 1, math.min(number, #merged) do members[index] = merged[index][3] end
  return members
end

-- A task that may have expired, or will before its lease ends. Whether it is leased, and whether that is stored already.
local function lease_special(task, key)
  if end_by_time(task, key) == 'dead' then return false, false end
  if task.expiry == 0 or task.expiry > lease_end then return true, false end
  task.attempts, task.started, task.receipt, task.worker = task.attempts + 1, now, receipt, worker
  lease_until(task, key, lease_end)
  return true, true
end

-- How often a task was delivered before, and its record as leased: no record if that is stored already, and nothing if
-- the task can't be leased.
local function lease(queue, zone, member, key, blob, body)
  local task
  if body and is_sound(blob) then
    local _, flags, attempts = unpack_fields('<BBI4', blob)
    local leased = pack('<BBI4', zone + 1, flags, attempts + 1) .. delivery .. string.sub(blob, rest_starts_at(blob))
    if flags < HAS_EXTRA then return attempts, leased end
    task = load(blob)
    if task then
      local is_leased, is_stored = lease_special(task, key)
      return is_leased and attempts, not is_stored and leased
    end
  end
  take_out(queue, member)
  return nil
end

local FRESH_LENGTH = 31 -- of a front without a worker; then the rest, up to the queue's name: 26

-- Lease these members of one queue and priority; returns how many could not be leased.
local function take_members(queue, zone, members, group)
  local keys = {}
  for index, member in ipairs(members) do keys[index] = string.sub(member, 7) end
  local blobs, all_bodies = call('HMGET', META, unpack(keys)), call('HMGET', BODY, unpack(keys))
  local metas, scores, score = { 'HSET', META }, { 'ZADD', QUEUE .. queue }, digits((zone + 1) * ZONE + lease_end)
  local fresh = pack(FRONT, zone, 0, 0, 0, 0, NO_RECEIPT, 0, '')
  local first_delivery = pack('<BBI4', zone + 1, 0, 1) .. delivery
  local slot, group_slot, left_out = 2, #group, 0
  for index, key in ipairs(keys) do
    local blob, body, attempts, leased = blobs[index], all_bodies[index], nil, nil
    if body and blob and string.sub(blob, 1, FRESH_LENGTH) == fresh and string.byte(blob, 57) == #blob - 57 then
      attempts, leased = 0, first_delivery .. string.sub(blob, FRESH_LENGTH + 1)
    else
      attempts, leased = lease(queue, zone, members[index], key, blob, body)
    end
    if not attempts then
      left_out = left_out + 1
    else
      if leased then
        metas[slot + 1], metas[slot + 2] = key, leased
        scores[slot + 1], scores[slot + 2] = score, members[index]
        slot = slot + 2
      end
      group[group_slot + 1], group[group_slot + 2] = key, body
      group[group_slot + 3], group[group_slot + 4] = attempts + 1, unpack_fields('<I6', blob, rest_starts_at(blob) + 13)
      group_slot = group_slot + 4
      bytes = bytes + #body
      taken = taken + 1
    end
  end
  if slot > 2 then
    send(metas)
    send(scores)
  end
  send_writes()
  ended = ended + left_out
  return left_out
end

local function is_full() return taken >= limit or bytes >= MOST_BYTES or ended >= MOST_ENDED end

local function take_priority(queue_index, queue, zone)
  local group = {}
  while not is_full() do
    local wanted = math.min(limit - taken, SLICE)
    local members = next_members(QUEUE .. queue, zone, wanted)
    if #members == 0 then break end
    local left_out = take_members(queue, zone, members, group)
    if #members < wanted and left_out == 0 then break end
  end
  if #group > 0 then
    found[#found + 1] = queue_index - 1
    found[#found + 1] = 9 - zone / 2
    found[#found + 1] = group
  end
end

local paused = call('SMISMEMBER', PAUSED, unpack(queues))
for index, queue in ipairs(queues) do
  local zone = 0
  while paused[index] == 0 and zone < DOOMED and not is_full() do
    local head = call('ZRANGE', QUEUE .. queue, digits(zone * ZONE), above(DOOMED * ZONE), 'BYSCORE', 'LIMIT', 0, 1,
      'WITHSCORES')
    if #head == 0 then break end
    zone = math.floor(tonumber(head[2]) / ZONE)
    zone = zone - zone % 2
    take_priority(index, queue, zone)
    zone = zone + 2
  end
end
if is_full() then found[1] = 1 end
return found
