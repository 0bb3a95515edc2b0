-- Tasks that wait again. ?1: [[seq, queue, rank, at, attempt], ...]
INSERT INTO ns_waiting (seq, queue, rank, at, attempt, special)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
  json_extract(value, '$[4]'), 1
FROM json_each(?1)
