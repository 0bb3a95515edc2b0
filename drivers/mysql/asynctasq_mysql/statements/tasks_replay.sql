UPDATE {task} FORCE INDEX (PRIMARY) SET state = 0, at_us = :now, receipt = 0, attempt = 0, expires_us = 9223372036854775807, finished_us = 0,
  reason = NULL, special = 1
WHERE pk IN :pks
