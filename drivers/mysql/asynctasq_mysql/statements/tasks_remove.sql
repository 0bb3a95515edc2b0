DELETE FROM {task} WHERE pk IN :pks
