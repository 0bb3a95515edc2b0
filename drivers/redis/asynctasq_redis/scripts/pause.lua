#!lua flags=allow-oom
-- ARGV: queues to pause.
--#include keys.lua
return call('SADD', PAUSED, unpack(ARGV))
