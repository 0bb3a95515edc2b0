-- A stored task as a table, and what time has made of it.
local SHORTEST_RECORD = 57

local function rest_starts_at(blob) return 32 + string.byte(blob, 31) end

-- Whether all that every task has is there. A record that somebody has deleted or cut off is no task any more: it has to
-- get out of the way of the others, instead of failing every script that comes across it.
local function is_sound(blob)
  if not blob or #blob < SHORTEST_RECORD then return false end
  local queue_at = rest_starts_at(blob) + 25
  local queue_length = string.byte(blob, queue_at)
  return queue_length ~= nil and #blob >= queue_at + queue_length
end

-- nil if it is not sound.
local function load(blob)
  if not is_sound(blob) then return nil end
  local task, next_field, is_whole = {}, nil, true
  task.zone, task.flags, task.attempts, task.lease_end, task.started, task.receipt, task.worker, next_field =
    unpack_fields(FRONT, blob)
  task.sequence, task.priority, task.due, task.enqueued, task.remember, task.queue, next_field =
    unpack_fields(REST, blob, next_field)
  if bit.band(task.flags, HAS_EXTRA) ~= 0 then
    is_whole, task.expiry, task.keep, task.finished, task.dedupe, task.reason =
      pcall(unpack_fields, EXTRA, blob, next_field)
  else
    task.expiry, task.keep, task.finished, task.dedupe, task.reason = 0, 0, 0, '', ''
  end
  return is_whole and task or nil
end

local function stored(task)
  local extra = ''
  if task.expiry > 0 or task.keep > 0 or task.finished > 0 or task.dedupe ~= '' then
    task.flags = bit.bor(task.flags, HAS_EXTRA)
    extra = pack(EXTRA, task.expiry, task.keep, task.finished, #task.dedupe, task.dedupe, #task.reason, task.reason)
  else
    task.flags = bit.band(task.flags, 7)
  end
  return pack(FRONT, task.zone, task.flags, task.attempts, task.lease_end, task.started, task.receipt,
      #task.worker, task.worker)
    .. pack(REST, task.sequence, task.priority, task.due, task.enqueued, task.remember, #task.queue, task.queue)
    .. extra
end

local function has(task, flag) return bit.band(task.flags, flag) ~= 0 end
local function set(task, flag) task.flags = bit.bor(task.flags, flag) end
local function clear(task, flag) task.flags = bit.band(task.flags, 255 - flag) end

-- The state that time has made of a task, and since when. 'gone' is a record whose time to be kept is over.
local function state_of(task)
  local zone = task.zone
  local expired = task.expiry > 0 and task.expiry <= now
  if zone == DEAD then return 'dead', task.finished end
  if zone == COMPLETED or zone == CANCELLED then
    local kept_for = zone == COMPLETED and task.keep or task.remember
    if task.finished + kept_for <= now then return 'gone', task.finished end
    return zone == COMPLETED and 'completed' or 'cancelled', task.finished
  end
  if zone == DOOMED or (zone < DOOMED and zone % 2 == 0) then
    if expired then return 'dead', task.expiry end
    return task.due <= now and 'ready' or 'scheduled', task.due
  end
  if task.lease_end > now then return 'leased', task.lease_end end
  if zone == CANCEL_REQUESTED then
    return task.lease_end + task.remember <= now and 'gone' or 'cancelled', task.lease_end
  end
  if expired then return 'dead', math.max(task.lease_end, task.expiry) end
  return 'ready', task.lease_end
end
