WITH added AS (
    INSERT INTO {namespaces} (key, name) SELECT $1::bigint, $2::text
    WHERE NOT EXISTS (SELECT FROM {namespaces} WHERE key = $1)
    ON CONFLICT DO NOTHING
    RETURNING name
)
SELECT name FROM added UNION ALL SELECT name FROM {namespaces} WHERE key = $1
