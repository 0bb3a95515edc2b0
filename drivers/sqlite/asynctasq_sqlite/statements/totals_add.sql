INSERT INTO ns_totals (queue, completed, dead, retried, cancelled) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (queue) DO UPDATE SET
  completed = completed + excluded.completed,
  dead = dead + excluded.dead,
  retried = retried + excluded.retried,
  cancelled = cancelled + excluded.cancelled
