#!lua flags=allow-oom
-- ARGV: worker, report, ticks until it is gone. Clears away a few that are gone.
--#include clock.lua
--#include keys.lua
local WORKERS, REPORTS = prefix .. 'workers', prefix .. 'reports'
for _, worker in ipairs(call('ZRANGE', WORKERS, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)) do
  call('ZREM', WORKERS, worker)
  call('HDEL', REPORTS, worker)
end
call('ZADD', WORKERS, now + tonumber(ARGV[3]), ARGV[1])
call('HSET', REPORTS, ARGV[1], struct.pack('<I6', now) .. ARGV[2])
return 1
