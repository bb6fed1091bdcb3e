-- What a conversion to a smaller charset leaves behind.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));
INSERT INTO t VALUES (1, 'abc'), (2, '日本');
-- replica
UPDATE t SET v = '??' WHERE id = 2;
ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET latin1;
-- expect
-- changed 2: v
