-- ?1: [[forget_at, queue, seq], ...]
INSERT INTO ns_remembered (forget_at, token, queue, seqs)
SELECT json_extract(value, '$[0]'), ?2, json_extract(value, '$[1]'), json_group_array(json_extract(value, '$[2]'))
FROM json_each(?1)
GROUP BY json_extract(value, '$[0]'), json_extract(value, '$[1]')
