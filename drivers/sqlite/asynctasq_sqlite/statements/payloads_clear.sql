-- A large payload that nobody will read again gives its room back at once, long before its id is forgotten.
UPDATE ns_task SET payload = x'' WHERE seq IN (SELECT value FROM json_each(?1))
