SELECT json_group_array(t.seq) FROM json_each(?1) j CROSS JOIN ns_task t ON t.id = j.value
