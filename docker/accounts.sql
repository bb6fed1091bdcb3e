-- The account with which repwatch watches and checks; it replicates to the replicas.
CREATE USER 'repwatch'@'%' IDENTIFIED BY 'playground';
GRANT BINLOG MONITOR, SLAVE MONITOR, PROCESS, SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'repwatch'@'%';
