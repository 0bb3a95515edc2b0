#!lua flags=no-writes
-- ARGV: queues. Returns for each, or for the first of them if there was much to look at:
-- ready, scheduled, leased, dead, age of the oldest ready task in ticks or -1; completed, dead, retried, cancelled in all.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
local MOST_HEADS = 10000 -- of a queue, looked at in search of its oldest ready task
local SLICE = 500
local looked = 0         -- in this queue and the ones before it

local function number_in(key, zone, from, to)
  return call('ZCOUNT', key, from and above(zone * ZONE + from) or digits(zone * ZONE),
    to and digits(zone * ZONE + to) or above((zone + 1) * ZONE))
end

-- The first moment of a zone's ready tasks that have not expired; of its first task if all that may be looked at have.
local function first_ready(key, expiring, zone, most)
  local first
  for from = 0, math.huge, SLICE do
    local members = call('ZRANGE', key, digits(zone * ZONE), digits(zone * ZONE + now), 'BYSCORE', 'LIMIT', from, SLICE,
      'WITHSCORES')
    for index = 1, #members, 2 do
      local moment = tonumber(members[index + 1]) - zone * ZONE
      first = first or moment
      if looked >= most then return first end
      looked = looked + 1
      local expiry = call('ZSCORE', expiring, members[index])
      if not expiry or tonumber(expiry) > now then return moment end
    end
    if #members < 2 * SLICE then return nil end
  end
end

local function stats_of(queue)
  local key, expiring = QUEUE .. queue, EXPIRING .. queue
  local ready, leased, oldest, zone, most = 0, 0, nil, 0, looked + MOST_HEADS
  while zone < DOOMED do
    local head = call('ZRANGE', key, digits(zone * ZONE), above(DOOMED * ZONE), 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if #head == 0 then break end
    zone = math.floor(tonumber(head[2]) / ZONE)
    local due = number_in(key, zone, nil, now)
    ready = ready + due
    if zone % 2 == 1 then leased = leased + number_in(key, zone, now) end
    local first = due > 0 and first_ready(key, expiring, zone, most)
    if first and (not oldest or first < oldest) then oldest = first end
    zone = zone + 1
  end
  local live = call('ZCOUNT', key, 0, above(DOOMED * ZONE))
  local expired = call('ZCOUNT', expiring, '-inf', now)
  local scheduled = live - ready - leased + number_in(key, DOOMED, now)
  leased = leased + number_in(key, DOOMED_LEASED, now) + number_in(key, CANCEL_REQUESTED, now)
  local not_stored = expired + number_in(key, DOOMED, nil, now) + number_in(key, DOOMED_LEASED, nil, now)
  local totals = call('HMGET', TOTALS, 'completed:' .. queue, 'dead:' .. queue, 'retried:' .. queue, 'cancelled:' .. queue)
  local function total(index) return tonumber(totals[index] or 0) end
  return { ready - expired, scheduled, leased, number_in(key, DEAD) + not_stored, oldest and now - oldest or -1,
    total(1), total(2) + not_stored, total(3), total(4) + number_in(key, CANCEL_REQUESTED, nil, now) }
end

local stats = {}
for index, queue in ipairs(ARGV) do
  stats[index] = stats_of(queue)
  if looked >= MOST_HEADS then break end
end
return stats
