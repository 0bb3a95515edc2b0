-- Accept new tasks. The stream has their keys (given here), then runs of tasks that are alike but for their bodies:
-- length, queue, priority, delay, due time or '', expiry after or '', keep, remember, dedupe key or '', and the bodies.
local function take_run()
  local run = { length = take_number(), queue = take(), priority = take_number() }
  local delay, due, expires_after = take_number(), take(), take()
  run.due = due ~= '' and math.max(now, tonumber(due)) or now + delay
  run.expiry = expires_after ~= '' and now + tonumber(expires_after) or 0
  run.keep, run.remember, run.dedupe = take_number(), take_number(), take()
  local zone, time = (9 - run.priority) * 2, run.due
  if run.expiry > 0 and run.expiry <= run.due then zone, time = DOOMED, run.expiry end
  run.is_expiring = run.expiry > 0 and zone ~= DOOMED
  run.score = digits(zone * ZONE + time)
  local plain = run.expiry == 0 and run.keep == 0 and run.dedupe == ''
  run.front = pack(FRONT, zone, plain and 0 or HAS_EXTRA, 0, 0, 0, NO_RECEIPT, 0, '')
  run.rest = pack('<BI6I6I6Bc0', run.priority, run.due, now, run.remember, #run.queue, run.queue)
  if not plain then
    run.rest = run.rest .. pack(EXTRA, run.expiry, run.keep, 0, #run.dedupe, run.dedupe, 0, '')
  end
  return run
end

-- Whether a stored task makes a new one of the same id a duplicate; if not, the old record is dropped.
local function is_still_known(blob, key)
  local task = load(blob)
  if not task then return true end
  local state, since = state_of(task)
  if state ~= 'gone' or since + task.remember > now then return true end
  drop_gone(task, key, since)
  send_writes()
  return false
end

-- The duplicates as a flat list: index from 0, the key of the task that is in the way, ...
local function accept(keys)
  local total = #keys
  local remembered, blobs = which_are_remembered(keys), call('HMGET', META, unpack(keys))
  local sequence = call('INCRBY', prefix .. 'sequence', total) - total
  local duplicates, taken, holders = {}, {}, {}
  local metas, bodies, scores = { 'HSET', META }, { 'HSET', BODY }, {}
  local index = 0

  local function in_the_way(run, key)
    if taken[key] or remembered[index] or (blobs[index] and is_still_known(blobs[index], key)) then return key end
    if run.dedupe == '' then return nil end
    local field = dedupe_field(run.queue, run.dedupe)
    local holder = holders[field]
    if holder then return holder end
    holder = call('HGET', DEDUPE, field)
    if holder and is_live(holder) then return holder end
    holders[field] = key
    write('HSET', DEDUPE, field, key)
    return nil
  end

  while index < total do
    local run = take_run()
    local queue, score, front, rest = run.queue, run.score, run.front, run.rest
    local queue_scores = scores[queue]
    if not queue_scores then
      queue_scores = { 'ZADD', QUEUE .. queue }
      scores[queue] = queue_scores
    end
    for _ = 1, run.length do
      index = index + 1
      local key, body = keys[index], take()
      local existing = in_the_way(run, key)
      if existing then
        duplicates[#duplicates + 1] = index - 1
        duplicates[#duplicates + 1] = existing
      else
        taken[key] = true
        local order = pack('>I6', sequence + index)
        local slot = #metas
        metas[slot + 1], metas[slot + 2] = key, front .. order .. rest
        bodies[slot + 1], bodies[slot + 2] = key, body
        slot = #queue_scores
        queue_scores[slot + 1], queue_scores[slot + 2] = score, order .. key
        if run.due <= now then queue_scores.is_ready = true end
        if run.is_expiring then write('ZADD', EXPIRING .. queue, digits(run.expiry), order .. key) end
      end
    end
  end

  if #metas > 2 then
    send(metas)
    send(bodies)
  end
  for queue, queue_scores in pairs(scores) do
    if #queue_scores > 2 then
      send(queue_scores)
      call('SADD', QUEUES, queue)
    end
  end
  send_writes()
  for queue, queue_scores in pairs(scores) do
    if queue_scores.is_ready then wake(queue) end
  end
  return duplicates
end
