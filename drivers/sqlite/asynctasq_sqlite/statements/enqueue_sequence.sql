SELECT ifnull(max(seq), 0) FROM ns_task
