-- The members of a key in another order.
-- source
CREATE TABLE t (e ENUM('zebra', 'ape', 'cow'), n INT, v INT, PRIMARY KEY (e, n));
INSERT INTO t SELECT i % 3 + 1, i DIV 3, 1 FROM numbers.n WHERE i < 3000;
-- replica
ALTER TABLE t MODIFY e ENUM('ape', 'cow', 'zebra') NOT NULL;
-- expect
-- identical
