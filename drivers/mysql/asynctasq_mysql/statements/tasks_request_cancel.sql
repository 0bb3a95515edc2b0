UPDATE {task} SET state = 1 WHERE pk IN :pks
