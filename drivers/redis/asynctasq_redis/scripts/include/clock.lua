-- The one clock: the server's, in ticks of 0.1 ms since 2023-11-14T22:13:20Z. 48 bits of ticks last until the year 2915.
local clock = redis.call('TIME')
local now = (clock[1] - 1700000000) * 10000 + math.floor(clock[2] / 100)
