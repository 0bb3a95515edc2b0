-- ?1: [[seq, attempt, special, remember_for], ...]
INSERT INTO ns_leased (seq, token, until, attempt, special, started_at, remember_for, queue, worker)
SELECT
  json_extract(value, '$[0]'), ?2, ?3, json_extract(value, '$[1]'), json_extract(value, '$[2]'), ?4,
  json_extract(value, '$[3]'), ?5, ?6
FROM json_each(?1)
