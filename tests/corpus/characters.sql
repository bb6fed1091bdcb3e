-- Characters outside the basic plane, accents, and marks that cannot be seen.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9));
INSERT INTO t VALUES (1, '😀'), (2, 'é'), (3, _utf8mb4 X'C3A9'), (4, 'ab'), (5, 'ß'), (6, '😀');
-- replica
UPDATE t SET v = '😁' WHERE id = 1;
UPDATE t SET v = 'e' WHERE id = 2;
UPDATE t SET v = _utf8mb4 X'65CC81' WHERE id = 3;
UPDATE t SET v = _utf8mb4 X'61E2808B62' WHERE id = 4;
UPDATE t SET v = 'ss' WHERE id = 5;
UPDATE t SET v = '?' WHERE id = 6;
-- expect
-- changed 1..6: v
