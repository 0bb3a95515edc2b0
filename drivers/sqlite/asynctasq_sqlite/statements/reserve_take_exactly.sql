-- ?2: [[rank, at, seq], ...]
DELETE FROM ns_waiting WHERE (queue, rank, at, seq) IN (
  SELECT ?1, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?2)
)
