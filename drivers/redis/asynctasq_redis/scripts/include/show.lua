-- Name, correlation id and payload; all empty if somebody has deleted them by hand.
local function body_of(key) return call('HGET', BODY, key) or '\0\0' end

-- A task as a list of fields for the driver to read, or nil if its record is gone, or can't be read.
local function shown(key, blob)
  local task = load(blob)
  if not task then return nil end
  local state, since = state_of(task)
  if state == 'gone' then return nil end
  local finished, reason, available, left = task.finished, task.reason, task.due, -1
  if state == 'dead' and task.zone ~= DEAD then finished, reason = since, 'expired' end
  if state == 'cancelled' and task.zone ~= CANCELLED then finished, reason = since, 'cancelled' end
  if task.lease_end > 0 then available = task.lease_end end
  if state == 'leased' then left = task.lease_end - now end
  return { key, state, task.queue, task.priority, task.attempts, task.dedupe, reason, task.worker,
    has(task, ASKED_TO_CANCEL) and 1 or 0, task.enqueued, available, task.started, finished,
    task.expiry > 0 and task.expiry - task.enqueued or -1, task.keep, task.remember, left,
    body_of(key), has(task, HAS_RESULT) and call('HGET', RESULT, key),
    has(task, HAS_FAILURES) and call('LRANGE', FAILURES .. key, 0, -1) or {} }
end
