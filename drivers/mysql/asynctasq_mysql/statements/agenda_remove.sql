DELETE FROM {agenda} WHERE pk IN :pks
