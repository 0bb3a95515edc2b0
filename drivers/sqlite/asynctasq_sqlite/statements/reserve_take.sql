-- Everything up to the last task that was taken.
DELETE FROM ns_waiting WHERE queue = ?1 AND rank = ?2 AND (at, seq) <= (?3, ?4)
