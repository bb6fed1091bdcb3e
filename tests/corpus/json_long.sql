-- A document longer than what goes into a row's code as it is.
-- source
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t SELECT i, CONCAT('{"text": "', REPEAT('x', 3000), '", "n": ', i, '}') FROM numbers.n WHERE i <= 20;
-- replica
UPDATE t SET j = CONCAT('{"text": "', REPEAT('x', 2999), 'y", "n": 7}') WHERE id = 7;
-- expect
-- changed 7: j
