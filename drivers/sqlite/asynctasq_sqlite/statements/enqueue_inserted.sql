-- Which of the new seqs made it: the others had an id that is known.
SELECT json_group_array(seq) FROM ns_task WHERE seq >= ?1
