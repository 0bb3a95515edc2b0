#!lua flags=no-writes
-- Returns {worker, time and report, ...} of the reports that are not gone.
--#include clock.lua
--#include keys.lua
local reports = {}
for _, worker in ipairs(call('ZRANGE', prefix .. 'workers', string.format('(%.0f', now), '+inf', 'BYSCORE')) do
  reports[#reports + 1] = worker
  reports[#reports + 1] = call('HGET', prefix .. 'reports', worker)
end
return reports
