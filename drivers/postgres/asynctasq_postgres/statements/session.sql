SELECT
    current_setting('server_version_num')::integer AS server_version,
    current_setting('server_version') AS server_version_text,
    current_setting('server_encoding') AS encoding,
    current_setting('transaction_isolation') AS isolation,
    current_setting('transaction_read_only')::boolean AS read_only,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync')::boolean AS fsync,
    current_setting('full_page_writes')::boolean AS full_page_writes
