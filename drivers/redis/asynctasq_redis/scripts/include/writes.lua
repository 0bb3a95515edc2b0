-- A script can't be rolled back, so it looks first and writes last. Writes to one key by one command are sent together.
local pending, in_order = {}, {}
local MOST_ARGUMENTS = 4000 -- what `unpack` can put on Lua's stack, with room to spare

local function write(command, key, ...)
  local group = pending[command .. key]
  if not group then
    group = { command, key }
    pending[command .. key] = group
    in_order[#in_order + 1] = group
  end
  for index = 1, select('#', ...) do group[#group + 1] = (select(index, ...)) end
end

local function send(group)
  if #group <= MOST_ARGUMENTS then
    call(unpack(group))
  else
    for from = 3, #group, MOST_ARGUMENTS do
      call(group[1], group[2], unpack(group, from, math.min(from + MOST_ARGUMENTS - 1, #group)))
    end
  end
end

local counted = {}
local function count(queue, what, number)
  local field = what .. ':' .. queue
  counted[field] = (counted[field] or 0) + (number or 1)
end

local function send_writes()
  for index = 1, #in_order do send(in_order[index]) end
  for field, number in pairs(counted) do call('HINCRBY', TOTALS, field, number) end
  pending, in_order, counted = {}, {}, {}
end
