-- A lost UPDATE of an even number of rows: the XOR of CRC32s cancels.
-- source
CREATE TABLE t (id INT PRIMARY KEY, status CHAR(1) NOT NULL, amount DECIMAL(8,2));
INSERT INTO t SELECT i, 'N', i % 9 + 0.5 FROM numbers.n;
-- replica
UPDATE t SET status = 'X' WHERE id BETWEEN 2000 AND 2199;
-- expect
-- changed 2000..2199: status
