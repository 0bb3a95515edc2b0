INSERT INTO ns_paused (queue) SELECT value FROM json_each(?1) WHERE true ON CONFLICT (queue) DO NOTHING
