INSERT IGNORE INTO {dedupe} (namespace, slot, pk) VALUES :rows
