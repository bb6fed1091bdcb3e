-- The last bit of a coordinate, the order of points, the reference system.
-- source
CREATE TABLE t (id INT PRIMARY KEY, p POINT, g GEOMETRY);
INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('LINESTRING(0 0, 1 1)')),
  (2, NULL, ST_GeomFromText('POLYGON((0 0, 0 1, 1 1, 0 0))')), (3, ST_GeomFromText('POINT(1 2)', 0), NULL);
-- replica
UPDATE t SET p = ST_GeomFromText('POINT(1 2.0000000000000004)'), g = ST_GeomFromText('LINESTRING(1 1, 0 0)') WHERE id = 1;
UPDATE t SET g = ST_GeomFromText('POLYGON((0 0, 1 1, 0 1, 0 0))') WHERE id = 2;
UPDATE t SET p = ST_GeomFromText('POINT(1 2)', 4326) WHERE id = 3;
-- expect
-- changed 1: p g
-- changed 2: g
-- changed 3: p
