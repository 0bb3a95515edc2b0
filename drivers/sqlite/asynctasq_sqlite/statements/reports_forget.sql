DELETE FROM ns_report WHERE until <= ?1
