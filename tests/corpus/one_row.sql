-- A table of settings with one row.
-- source
CREATE TABLE t (id TINYINT PRIMARY KEY, version VARCHAR(20));
INSERT INTO t VALUES (1, '1.0.1');
-- replica
UPDATE t SET version = '1.0.2';
-- expect
-- changed 1: version
