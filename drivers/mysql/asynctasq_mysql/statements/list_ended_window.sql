-- The agenda has ended tasks in an order that stays.
SELECT at_us, pk FROM {agenda} FORCE INDEX (due)
WHERE namespace = :namespace AND kind = :kind AND at_us >= :begin AND (at_us > :begin OR pk > :after)
ORDER BY at_us, pk LIMIT :window
