-- Equal shapes in another engine.
-- source
CREATE TABLE t (id INT PRIMARY KEY, g GEOMETRY);
INSERT INTO t VALUES (1, ST_GeomFromText('MULTIPOINT(0 0, 1 1)')), (2, ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')), (3, NULL);
-- replica
ALTER TABLE t ENGINE = MyISAM;
-- expect
-- identical
