-- One number inside a document.
-- source
CREATE TABLE t (id INT PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"a": [1, 2]}'), (2, '"1"'), (3, 'null'), (4, '{"a": "ä😀"}'), (5, '[]'), (6, 'true');
-- replica
UPDATE t SET j = '{"a": [1, 3]}' WHERE id = 1;
UPDATE t SET j = '1' WHERE id = 2;
UPDATE t SET j = NULL WHERE id = 3;
UPDATE t SET j = '{"a": "ä😁"}' WHERE id = 4;
UPDATE t SET j = '{}' WHERE id = 5;
UPDATE t SET j = '"true"' WHERE id = 6;
-- expect
-- changed 1..6: j
