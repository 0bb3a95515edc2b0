-- Records that are kept no longer, and until when their ids stay known: at most ?2.
SELECT json_group_array(json_array(d.seq, d.queue, d.finished_at + t.remember_for))
FROM (SELECT seq, queue, finished_at FROM ns_ended WHERE drop_at <= ?1 ORDER BY drop_at LIMIT ?2) d
CROSS JOIN ns_task t ON t.seq = d.seq
