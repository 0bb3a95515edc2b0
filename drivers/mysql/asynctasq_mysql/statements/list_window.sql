-- The rows that one page looks at, in the order of enqueueing.
SELECT COUNT(*), MAX(pk) FROM
  (SELECT pk FROM {task} WHERE pk > :after ORDER BY pk LIMIT :window) AS looked
