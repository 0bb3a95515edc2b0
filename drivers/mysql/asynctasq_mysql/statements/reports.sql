SELECT worker, data, reported_us FROM {report} WHERE namespace = :namespace AND until_us > {now} ORDER BY worker
