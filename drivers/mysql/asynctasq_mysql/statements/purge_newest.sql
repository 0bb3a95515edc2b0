SELECT COALESCE(MAX(pk), 0), {now} FROM {task}
