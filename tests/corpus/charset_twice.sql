-- UTF-8 that was taken for latin1 and converted again.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO t VALUES (1, 'é'), (2, 'e');
-- replica
UPDATE t SET v = CONVERT(CAST(v AS BINARY) USING latin1) WHERE id = 1;
-- expect
-- changed 1: v
