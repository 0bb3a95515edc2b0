-- ARGV is read as a stream.
local position = 0
local function take()
  position = position + 1
  return ARGV[position]
end
local function take_number() return tonumber(take()) end
local function take_many(number)
  local taken = { unpack(ARGV, position + 1, position + number) }
  position = position + number
  return taken
end
