SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin',
  'innodb_doublewrite', 'innodb_buffer_pool_size', 'innodb_autoinc_lock_mode')
