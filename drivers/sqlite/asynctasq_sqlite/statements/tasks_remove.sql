DELETE FROM ns_task WHERE seq IN (SELECT value FROM json_each(?1))
