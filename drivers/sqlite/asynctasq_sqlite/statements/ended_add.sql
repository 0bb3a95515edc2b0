-- ?1: [[seq, queue, state, attempts, finished_at, drop_at, reason, offset, length], ...]; ?2: the results, one behind the
-- other. Without a result, length is null.
INSERT INTO ns_ended (seq, queue, state, attempts, finished_at, drop_at, reason, result)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
  json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'),
  CASE json_extract(value, '$[8]')
    WHEN 0 THEN x''
    ELSE substr(?2, json_extract(value, '$[7]') + 1, json_extract(value, '$[8]'))
  END
FROM json_each(?1)
