"""repwatch supervises MySQL and MariaDB replication."""

__version__ = "0.1.0"
