#!lua flags=no-writes
-- ARGV: task keys. Returns the records that exist.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include show.lua
local records = {}
for index, blob in ipairs(call('HMGET', META, unpack(ARGV))) do
  if blob then records[#records + 1] = shown(ARGV[index], blob) end
end
return records
