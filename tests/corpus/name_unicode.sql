-- Letters of several scripts, and capitals.
-- table: Größe_表_Ω
-- source
CREATE TABLE `Größe_表_Ω` (id INT PRIMARY KEY, `Wert_表` INT);
INSERT INTO `Größe_表_Ω` VALUES (1, 1);
-- replica
UPDATE `Größe_表_Ω` SET `Wert_表` = 2;
-- expect
-- changed 1: Wert_表
