"""The MySQL and MariaDB driver of asynctasq."""
