-- A live lease never expires.
UPDATE ns_extra SET expires_at = NULL
WHERE expires_at IS NOT NULL AND seq IN (SELECT value FROM json_each(?1))
