DELETE FROM {report} WHERE namespace = :namespace AND until_us <= {now}
