#!lua flags=no-writes
-- One slice of a queue's list, in the order of its sorted set.
-- ARGV: queue, state or '', name or '', correlation id or '', enqueued at least so many ticks ago or '', limit,
--       score and member of the last task seen ('' at first), tasks to look at.
-- Returns {records, tasks looked at, score and member of the last one, or '' at the end of the queue}.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include show.lua
--#include ranges.lua
--#include arguments.lua
local queue, state, name, correlation_id, age, limit = take(), take(), take(), take(), take(), take_number()
local last_score, last_member, looks = take(), take(), take_number()
local key = QUEUE .. queue
local MOST_BYTES = 4194304 -- of bodies read by one call
local SLICE = 100
local records, looked, bytes = {}, 0, 0

-- The rank of the first member behind (last_score, last_member), whether that one is still there or not.
local function rank_behind()
  local sequence = sequence_of(last_member)
  local low = call('ZCOUNT', key, '-inf', '(' .. last_score)
  local high = low + call('ZCOUNT', key, last_score, last_score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sequence_of(call('ZRANGE', key, middle, middle)[1]) <= sequence then low = middle + 1 else high = middle end
  end
  return low
end

local function is_wanted(task_key, task)
  local now_state = state_of(task)
  if now_state == 'gone' or (state ~= '' and now_state ~= state) then return false end
  if age ~= '' and now - task.enqueued < tonumber(age) then return false end
  if name == '' and correlation_id == '' then
    bytes = bytes + call('HSTRLEN', BODY, task_key)
    return true
  end
  local body = body_of(task_key)
  bytes = bytes + #body
  local is_whole, its_name, its_correlation_id = pcall(unpack_fields, 'Bc0Bc0', body)
  return is_whole and (name == '' or its_name == name) and (correlation_id == '' or its_correlation_id == correlation_id)
end

local function look_at(members)
  for index = 1, #members, 2 do
    if looked >= looks or #records >= limit or bytes >= MOST_BYTES then return false end
    local member, task_key = members[index], string.sub(members[index], 7)
    local blob = call('HGET', META, task_key)
    looked = looked + 1
    local task = load(blob)
    if task and is_wanted(task_key, task) then records[#records + 1] = shown(task_key, blob) end
    last_score, last_member = digits(tonumber(members[index + 1])), member
  end
  return true
end

local function walk()
  local behind = last_score ~= '' and rank_behind() or 0
  for _, range in ipairs(ranges_of(state)) do
    local first = call('ZCOUNT', key, '-inf', range[1]:sub(1, 1) == '(' and range[1]:sub(2) or '(' .. range[1])
    local stop = first + call('ZCOUNT', key, range[1], range[2])
    local rank = math.max(first, behind)
    while rank < stop do
      local members = call('ZRANGE', key, rank, math.min(rank + SLICE, stop) - 1, 'WITHSCORES')
      if not look_at(members) then return false end
      rank = rank + SLICE
    end
  end
  return true
end

if walk() then return { records, looked, '', '' } end
return { records, looked, last_score, last_member }
