UPDATE ns_leased SET special = 1 WHERE seq IN (SELECT value FROM json_each(?1))
