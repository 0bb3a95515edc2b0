-- How a task is stored.
--
-- queue:<name>    sorted set of all tasks of a queue. Score = zone * 2^48 + time; member = sequence (6 bytes, big endian)
--                 .. task key, so that equal times are in the order of first acceptance, and no task is in two states.
-- expiring:<name> sorted set of the live tasks of a queue that expire before anything else happens to them by time.
-- meta            hash: task key -> the packed fields below.  body: -> name, correlation id, payload.  result: -> result.
--
-- Zones: 2 * (9 - priority) waiting, scored by due time, and the next one leased, scored by the lease's end; then
local ZONE = 281474976710656 -- 2^48
local DOOMED = 20            -- waits, and expires before it is due; scored by expiry
local DOOMED_LEASED = 21     -- leased, and expired when the lease ends; scored by the lease's end
local CANCEL_REQUESTED = 22  -- leased, and cancelled when the lease ends; scored by the lease's end
local DEAD = 23              -- scored by the moment it died
local COMPLETED = 24         -- kept for its result; scored by the moment it may be dropped
local CANCELLED = 25         -- kept for a while; scored by the moment it may be dropped

local ASKED_TO_CANCEL, HAS_FAILURES, HAS_RESULT, HAS_EXTRA = 1, 2, 4, 8
local NO_RECEIPT = string.rep('\0', 12)

-- What changes with each delivery comes first, so that a delivery replaces the front and keeps the rest as it is:
-- zone, flags, attempts, lease end, start, receipt, worker | sequence, priority, due, enqueued, remember, queue.
-- A plain task ends there; the others have: expiry, keep, end, dedupe key, reason.
local FRONT, REST, EXTRA = '<BBI4I6I6c12Bc0', '<c6BI6I6I6Bc0', '<I6I6I6Bc0Bc0'

local function digits(number) return string.format('%.0f', number) end -- `..` would round to 14 digits

-- Members of one score in the order that the sorted set keeps. Lua's `<` on strings would ask the server's locale instead.
local function sequence_of(member) return (unpack_fields('>I6', member)) end

local function above(number) return '(' .. digits(number) end          -- the open end of a range of scores
