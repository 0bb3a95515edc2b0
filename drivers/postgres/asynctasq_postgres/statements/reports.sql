SELECT worker, data, reported_at FROM {reports} WHERE namespace = $1 AND gone_at > clock_timestamp() ORDER BY worker
