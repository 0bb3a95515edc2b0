-- Dead letters that ended by ?1, and until when their ids stay known: at most ?2.
SELECT json_group_array(json_array(d.seq, d.queue, d.finished_at + t.remember_for))
FROM (SELECT seq, queue, finished_at FROM ns_ended WHERE state = 'dead' AND finished_at <= ?1 ORDER BY finished_at LIMIT ?2) d
CROSS JOIN ns_task t ON t.seq = d.seq
