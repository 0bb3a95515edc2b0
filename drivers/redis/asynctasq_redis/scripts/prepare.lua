#!lua flags=allow-oom
-- ARGV: the layout that this driver writes, '1' to write the mark. Returns the layout found, or '' if there was none.
--#include keys.lua
local found = call('GET', prefix .. 'layout')
if not found and ARGV[2] == '1' then call('SET', prefix .. 'layout', ARGV[1]) end
return found or ''
