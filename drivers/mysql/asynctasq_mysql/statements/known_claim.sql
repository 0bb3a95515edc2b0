-- pk 0: claimed by a call that has not ended; its transaction is the only one that ever sees it.
INSERT IGNORE INTO {known} (namespace, id, pk) VALUES :rows
