SELECT
    current_setting('fsync')::boolean,
    current_setting('full_page_writes')::boolean,
    current_setting('synchronous_commit'),
    current_setting('autovacuum')::boolean,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - coalesce(xact_start, query_start)))::double precision
        FROM pg_stat_activity
        WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
    ),
    (SELECT max(extract(epoch FROM clock_timestamp() - prepared))::double precision FROM pg_prepared_xacts),
    (
        SELECT string_agg(slot_name::text, ', ' ORDER BY slot_name) FROM pg_replication_slots
        WHERE NOT active AND (xmin IS NOT NULL OR catalog_xmin IS NOT NULL)
    ),
    (
        SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = to_regclass('{task}')
    ),
    (
        SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
        FROM pg_class AS c
        WHERE c.oid IN (to_regclass('{task}'), to_regclass('{known}'), to_regclass('{journal}'))
            AND 'autovacuum_enabled=false' = ANY (c.reloptions)
    )
