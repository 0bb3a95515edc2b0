SET @asynctasq_now = {now}
