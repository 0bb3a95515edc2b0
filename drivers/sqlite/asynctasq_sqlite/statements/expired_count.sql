SELECT t.queue, count(*) FROM json_each(?1) j CROSS JOIN ns_task t ON t.seq = j.value GROUP BY t.queue
