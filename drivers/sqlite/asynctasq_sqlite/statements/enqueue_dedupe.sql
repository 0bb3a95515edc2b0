-- ?1: [[queue, dedupe_key, seq], ...]. Who comes first holds the key.
INSERT INTO ns_dedupe (queue, dedupe_key, seq)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
FROM json_each(?1) WHERE true
ON CONFLICT (queue, dedupe_key) DO NOTHING
