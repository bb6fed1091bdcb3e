-- MySQL keeps a document in one order, whatever was written.
-- flavours: mysql
-- source
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"b": 1, "a": 2,   "cc": [1, 2]}');
-- replica
UPDATE t SET j = '{"cc":[1,2],"a":2,"b":1}';
-- expect
-- identical
