#!lua flags=allow-oom
-- ARGV: task keys. Returns a string of '1' (deleted) and '0'.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
local function delete(key)
  local blob = call('HGET', META, key)
  if not blob then return '0' end
  local task = load(blob)
  if not task then return '0' end
  local state, since = end_by_time(task, key)
  if state == 'leased' then return '0' end
  if state == 'gone' then
    if call('HEXISTS', META, key) == 1 then drop_gone(task, key, since) end
    return '0'
  end
  free_dedupe_key(task, key)
  stop_expiring(task, key)
  drop(task, key)
  return '1'
end

local outcomes = {}
for index, key in ipairs(ARGV) do
  outcomes[index] = delete(key)
  send_writes()
end
return table.concat(outcomes)
