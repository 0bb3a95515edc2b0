-- Behind each numbered file.
INSERT INTO {migrations} (version, file) VALUES (:version, ':file');
