SELECT pk FROM {agenda} FORCE INDEX (due) WHERE namespace = :namespace AND kind = :kind AND at_us <= {now} - :ago
ORDER BY at_us, pk LIMIT :limit
