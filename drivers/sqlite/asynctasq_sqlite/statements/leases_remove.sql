DELETE FROM ns_leased WHERE seq IN (SELECT value FROM json_each(?1))
