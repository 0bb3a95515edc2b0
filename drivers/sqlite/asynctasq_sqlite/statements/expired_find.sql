-- Waiting tasks that have expired, at most ?2.
SELECT json_group_array(seq) FROM (
  SELECT seq FROM ns_extra WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2
)
