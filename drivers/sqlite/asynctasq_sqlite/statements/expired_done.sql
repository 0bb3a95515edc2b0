UPDATE ns_extra SET expires_at = NULL WHERE seq IN (SELECT value FROM json_each(?1))
