-- The steps from one state to the next. They are buffered: `send_writes` carries them out.
local function member_of(task, key) return task.sequence .. key end

local function place(task, key, zone, time)
  task.zone = zone
  write('ZADD', QUEUE .. task.queue, digits(zone * ZONE + time), member_of(task, key))
  write('HSET', META, key, stored(task))
end

local function stop_expiring(task, key)
  if task.expiry > 0 then write('ZREM', EXPIRING .. task.queue, member_of(task, key)) end
end

local function dedupe_field(queue, dedupe) return queue .. '\0' .. dedupe end

local function free_dedupe_key(task, key)
  if task.dedupe == '' then return end
  local field = dedupe_field(task.queue, task.dedupe)
  if call('HGET', DEDUPE, field) == key then write('HDEL', DEDUPE, field) end
end

-- Whether the task `key` still waits or runs, and so holds its dedupe key.
local function is_live(key)
  local blob = call('HGET', META, key)
  if not blob then return false end
  local task = load(blob)
  local state = task and state_of(task)
  return state == 'ready' or state == 'scheduled' or state == 'leased'
end

local function end_lease(task)
  task.lease_end, task.receipt = 0, NO_RECEIPT
end

local function wait_until_due(task, key)
  end_lease(task)
  if task.expiry > 0 and task.expiry <= task.due then
    stop_expiring(task, key)
    return place(task, key, DOOMED, task.expiry)
  end
  if task.expiry > 0 then write('ZADD', EXPIRING .. task.queue, digits(task.expiry), member_of(task, key)) end
  place(task, key, (9 - task.priority) * 2, task.due)
end

local function lease_until(task, key, lease_end)
  task.lease_end = lease_end
  if has(task, ASKED_TO_CANCEL) then
    stop_expiring(task, key)
    return place(task, key, CANCEL_REQUESTED, lease_end)
  end
  if task.expiry > 0 and task.expiry <= lease_end then -- it can't wait again: no longer among the expiring
    stop_expiring(task, key)
    return place(task, key, DOOMED_LEASED, lease_end)
  end
  place(task, key, (9 - task.priority) * 2 + 1, lease_end)
end

-- Erase the record; the id is remembered elsewhere, or not at all.
local function drop(task, key)
  write('HDEL', META, key)
  write('HDEL', BODY, key)
  write('ZREM', QUEUE .. task.queue, member_of(task, key))
  if has(task, HAS_FAILURES) then write('DEL', FAILURES .. key) end
  if has(task, HAS_RESULT) then write('HDEL', RESULT, key) end
end

-- Take out of a queue what has no record, or none that can be read.
local function take_out(queue, member)
  local key = string.sub(member, 7)
  redis.log(redis.LOG_WARNING, 'asynctasq: a task of the queue ' .. queue .. ' has no readable record, and was removed')
  write('ZREM', QUEUE .. queue, member)
  write('ZREM', EXPIRING .. queue, member)
  write('HDEL', META, key)
  write('HDEL', BODY, key)
  write('HDEL', RESULT, key)
  write('DEL', FAILURES .. key)
end

local function finish(task, key, moment, reason)
  free_dedupe_key(task, key)
  stop_expiring(task, key)
  end_lease(task)
  task.finished, task.reason = moment, reason
end

local function die(task, key, moment, reason)
  finish(task, key, moment, reason)
  count(task.queue, 'dead')
  place(task, key, DEAD, moment)
end

local function cancel(task, key, moment, reason)
  finish(task, key, moment, reason)
  count(task.queue, 'cancelled')
  if moment + task.remember <= now then drop(task, key) else place(task, key, CANCELLED, moment + task.remember) end
end

-- Store what time has ended already; returns the state and since when.
local function end_by_time(task, key)
  local state, since = state_of(task)
  if state == 'dead' and task.zone ~= DEAD then
    die(task, key, since, 'expired')
  elseif task.zone == CANCEL_REQUESTED and state ~= 'leased' then
    cancel(task, key, since, 'cancelled')
  end
  return state, since
end

-- Drop a record that need not be kept any longer. Its id may have to be known for longer than the record is kept.
local function drop_gone(task, key, since)
  if task.zone == CANCEL_REQUESTED then cancel(task, key, since, 'cancelled') else drop(task, key) end
  remember(key, task.remember, since)
end

local function wake(queue) call('PUBLISH', READY .. queue, '') end
