#!lua flags=allow-oom
-- ARGV: queues to resume. Their listeners may look at once.
--#include keys.lua
call('SREM', PAUSED, unpack(ARGV))
for _, queue in ipairs(ARGV) do call('PUBLISH', READY .. queue, '') end
return 1
