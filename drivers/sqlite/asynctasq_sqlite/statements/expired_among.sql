-- Which of the tasks of ?1 wait and have expired.
SELECT json_group_array(e.seq)
FROM json_each(?1) j CROSS JOIN ns_extra e ON e.seq = j.value
WHERE e.expires_at <= ?2
