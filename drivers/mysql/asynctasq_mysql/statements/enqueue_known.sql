-- The keys of one insert's rows are consecutive, and so it need not be told the ids again.
INSERT INTO {known} (namespace, id, pk)
SELECT namespace, id, pk FROM {task} FORCE INDEX (PRIMARY)
WHERE pk BETWEEN LAST_INSERT_ID() AND LAST_INSERT_ID() + (:count - 1) * @@auto_increment_increment
  AND (pk - LAST_INSERT_ID()) % @@auto_increment_increment = 0
