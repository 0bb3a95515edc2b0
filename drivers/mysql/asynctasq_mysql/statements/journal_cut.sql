UPDATE {journal} FORCE INDEX (PRIMARY)
SET completed = 0, dead = 0, retried = 0, cancelled = 0, remembered = :remembered, ids = :ids
WHERE pk = :pk
