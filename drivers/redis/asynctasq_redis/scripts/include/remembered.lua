-- Ids that are known without a record. They lie in hashes by the time at which they may be forgotten, so that forgetting
-- is one UNLINK of a whole hash; the value is the exact moment, so that an id is not known for longer than it should be.
-- A bucket is at least 4 s and at most as wide as the time to remember: few live ones, each short-lived.
local SHORTEST_BUCKET = 40000
local announced = {}

local function bucket_of(remember, until_then)
  local width = SHORTEST_BUCKET
  while width * 2 < remember do width = width * 2 end
  local ends = (math.floor(until_then / width) + 1) * width
  local name = digits(width) .. ':' .. digits(ends)
  if not announced[name] then
    announced[name] = true
    write('ZADD', REMEMBERED, digits(ends), name)
  end
  return REMEMBERED .. ':' .. name
end

local function remember(key, duration, finished)
  local until_then = finished + duration
  if duration > 0 and until_then > now then write('HSET', bucket_of(duration, until_then), key, pack('<I6', until_then)) end
end

-- Which of `keys` are remembered: index -> true.
local function which_are_remembered(keys)
  local found = {}
  for _, name in ipairs(call('ZRANGEBYSCORE', REMEMBERED, above(now), '+inf')) do
    local moments = call('HMGET', REMEMBERED .. ':' .. name, unpack(keys))
    for index = 1, #keys do
      if moments[index] and unpack_fields('<I6', moments[index]) > now then found[index] = true end
    end
  end
  return found
end
