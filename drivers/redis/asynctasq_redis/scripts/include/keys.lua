-- KEYS[1] is the prefix of every key of a namespace. It carries the hash tag, so all of them live in one cluster slot,
-- and no key is named like the bare prefix: a node that is giving the slot away then refuses the whole script (ASK)
-- instead of running it on the part of the data that has not left yet.
local call, pack, unpack_fields = redis.call, struct.pack, struct.unpack
local prefix = KEYS[1]
local META, BODY, RESULT = prefix .. 'meta', prefix .. 'body', prefix .. 'result'
local DEDUPE, TOTALS, QUEUES = prefix .. 'dedupe', prefix .. 'totals', prefix .. 'queues'
local PAUSED, REMEMBERED = prefix .. 'paused', prefix .. 'remembered'
local QUEUE, EXPIRING, FAILURES = prefix .. 'queue:', prefix .. 'expiring:', prefix .. 'failures:'
local READY = prefix .. 'ready:' -- channels
