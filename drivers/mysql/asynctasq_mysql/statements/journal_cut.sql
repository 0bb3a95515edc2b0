UPDATE {journal} SET completed = 0, dead = 0, retried = 0, cancelled = 0, ids = :ids WHERE pk = :pk
