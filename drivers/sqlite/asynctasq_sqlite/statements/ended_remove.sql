DELETE FROM ns_ended WHERE seq IN (SELECT value FROM json_each(?1))
