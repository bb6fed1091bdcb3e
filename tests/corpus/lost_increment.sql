-- The same step in ten rows.
-- source
CREATE TABLE t (id INT PRIMARY KEY, hits BIGINT NOT NULL);
INSERT INTO t SELECT i, i * 3 FROM numbers.n WHERE i <= 1000;
-- replica
UPDATE t SET hits = hits - 1 WHERE id BETWEEN 501 AND 510;
-- expect
-- changed 501..510: hits
