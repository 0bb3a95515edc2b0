UPDATE {journal} SET forget_us = 0 WHERE namespace = :namespace AND queue IN :queues AND forget_us > 0
