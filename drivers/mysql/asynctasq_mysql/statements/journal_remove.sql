DELETE FROM {journal} WHERE pk IN :pks
