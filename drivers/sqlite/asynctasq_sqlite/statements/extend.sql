UPDATE ns_leased SET until = ?2 WHERE until < ?2 AND seq IN (SELECT value FROM json_each(?1))
