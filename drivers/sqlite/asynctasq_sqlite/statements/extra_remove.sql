DELETE FROM ns_extra WHERE seq IN (SELECT value FROM json_each(?1))
