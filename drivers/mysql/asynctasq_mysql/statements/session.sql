SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', SESSION autocommit = 1,
  SESSION innodb_lock_wait_timeout = 5, SESSION group_concat_max_len = 4194304, SESSION wait_timeout = 28800
  /*M!100318 , SESSION in_predicate_conversion_threshold = 0 */;
SHOW SESSION VARIABLES WHERE Variable_name IN ('version', 'tx_isolation', 'transaction_isolation',
  'max_allowed_packet', 'innodb_flush_log_at_trx_commit', 'log_bin', 'binlog_format',
  'innodb_snapshot_isolation')
