SELECT d.queue, count(*) FROM json_each(?1) q CROSS JOIN ns_ended d ON d.queue = q.value AND d.state = 'dead'
GROUP BY d.queue
