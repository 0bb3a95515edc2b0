-- Takes the write lock inside a transaction that somebody else began, before the clock is read.
DELETE FROM ns_meta WHERE one = 0
