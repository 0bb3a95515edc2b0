#!lua flags=no-writes
-- Returns the clock, in ticks.
--#include clock.lua
return now
