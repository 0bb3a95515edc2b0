SELECT version FROM ns_meta WHERE one = 1
