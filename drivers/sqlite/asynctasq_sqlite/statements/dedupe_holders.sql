-- ?1: [[queue, dedupe_key], ...]. The holders of these keys, in that order; [null, null] where nobody holds it.
SELECT json_group_array(json_array(d.seq, t.id))
FROM json_each(?1) j
LEFT JOIN ns_dedupe d ON d.queue = json_extract(j.value, '$[0]') AND d.dedupe_key = json_extract(j.value, '$[1]')
LEFT JOIN ns_task t ON t.seq = d.seq
