-- How a task is stored.
--
-- queue:<name>    sorted set of all tasks of a queue. Score = zone * 2^48 + time; member = sequence (6 bytes, big endian)
--                 .. task key, so that equal times are in the order of first acceptance, and no task is in two states.
-- expiring:<name> sorted set of the live tasks of a queue that expire before anything else happens to them by time.
-- meta            hash: task key -> the packed fields below.  body: -> name, correlation id, payload.  result: -> result.
--
-- Zones: 2 * (9 - priority) waiting, scored by due time, and the next one leased, scored by the lease's end; then
local ZONE = 281474976710656 -- 2^48
local DOOMED = 20            -- waits, and expires before it is due; scored by expiry
local DOOMED_LEASED = 21     -- leased, and expired when the lease ends; scored by the lease's end
local CANCEL_REQUESTED = 22  -- leased, and cancelled when the lease ends; scored by the lease's end
local DEAD = 23              -- scored by the moment it died
local COMPLETED = 24         -- kept for its result; scored by the moment it may be dropped
local CANCELLED = 25         -- kept for a while; scored by the moment it may be dropped

local ASKED_TO_CANCEL, HAS_FAILURES, HAS_RESULT, HAS_EXTRA = 1, 2, 4, 8
local NO_RECEIPT = string.rep('\0', 12)

-- What changes with each delivery comes first, so that a delivery replaces the front and keeps the rest as it is:
-- zone, flags, attempts, lease end, start, receipt, worker | sequence, priority, due, enqueued, remember, queue.
-- A plain task ends there; the others have: expiry, keep, end, dedupe key, reason.
local FRONT, REST, EXTRA = '<BBI4I6I6c12Bc0', '<c6BI6I6I6Bc0', '<I6I6I6Bc0Bc0'
local function rest_starts_at(blob) return 32 + string.byte(blob, 31) end

local function load(blob)
  local task, next_field = {}, nil
  task.zone, task.flags, task.attempts, task.lease_end, task.started, task.receipt, task.worker, next_field =
    unpack_fields(FRONT, blob)
  task.sequence, task.priority, task.due, task.enqueued, task.remember, task.queue, next_field =
    unpack_fields(REST, blob, next_field)
  if bit.band(task.flags, HAS_EXTRA) ~= 0 then
    task.expiry, task.keep, task.finished, task.dedupe, task.reason = unpack_fields(EXTRA, blob, next_field)
  else
    task.expiry, task.keep, task.finished, task.dedupe, task.reason = 0, 0, 0, '', ''
  end
  return task
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

local function digits(number) return string.format('%.0f', number) end -- `..` would round to 14 digits
local function above(number) return '(' .. digits(number) end          -- the open end of a range of scores

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
