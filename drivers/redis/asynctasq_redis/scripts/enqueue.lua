#!lua
-- Without allow-oom: the server refuses the whole script when it has no room left, and nothing was applied.
-- ARGV: number of tasks, their keys, runs of tasks (accept.lua). Returns the duplicates.
--#include clock.lua
--#include keys.lua
--#include layout.lua
--#include record.lua
--#include writes.lua
--#include remembered.lua
--#include transitions.lua
--#include arguments.lua
--#include accept.lua
local total = take_number()
return accept(take_many(total))
