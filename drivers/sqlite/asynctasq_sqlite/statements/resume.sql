DELETE FROM ns_paused WHERE queue IN (SELECT value FROM json_each(?1))
