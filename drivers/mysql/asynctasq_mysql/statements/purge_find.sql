-- One line at a time, in the order of the index.
SELECT pk FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = :state AND priority_order = :line
  AND at_us BETWEEN :begin AND :end AND (receipt = 0) IN :waiting AND pk <= :newest
LIMIT :limit
