-- Nothing is equal to nothing.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v INT);
-- replica
-- expect
-- identical
