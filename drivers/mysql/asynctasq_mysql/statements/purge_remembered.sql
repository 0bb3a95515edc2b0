UPDATE {journal} FORCE INDEX (PRIMARY) SET forget_us = 0 WHERE pk IN :pks
