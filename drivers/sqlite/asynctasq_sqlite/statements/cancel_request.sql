INSERT INTO ns_extra (seq, cancel_requested) SELECT value, 1 FROM json_each(?1) WHERE true
ON CONFLICT (seq) DO UPDATE SET cancel_requested = 1
