-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

-- In the current catalog: tables at their newest version, with deleted rows, and personal values in clear.
-- spark.sql has views of what is published.
CREATE SCHEMA IF NOT EXISTS `my_shop_files`;

CREATE TABLE IF NOT EXISTS `my_shop_files`.`group`
USING DELTA LOCATION 's3a://bucket/lake/silver/group';

CREATE TABLE IF NOT EXISTS `my_shop_files`.`order`
USING DELTA LOCATION 's3a://bucket/lake/silver/order';

CREATE TABLE IF NOT EXISTS `my_shop_files`.`listens`
USING DELTA LOCATION 's3a://bucket/lake/gold/listens';
