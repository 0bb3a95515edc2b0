-- Behind each numbered file.
INSERT INTO {migrations} (version, file, applied_us)
VALUES (:version, :file, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)))
