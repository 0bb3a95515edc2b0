DELETE FROM ns_remembered WHERE (forget_at, token, queue) <= (?1, ?2, ?3)
