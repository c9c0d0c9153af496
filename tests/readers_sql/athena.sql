-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

-- One statement a query.
CREATE DATABASE IF NOT EXISTS `my_shop_files`;

CREATE DATABASE IF NOT EXISTS `my_shop`;

DROP TABLE IF EXISTS `my_shop_files`.`group`;

CREATE EXTERNAL TABLE `my_shop_files`.`group` (
  `id` bigint,
  `select` string,
  `email` string,
  `born` date,
  `price` decimal(10,2),
  `size` double,
  `at` timestamp,
  `tags` array<string>,
  `_deleted_at` timestamp
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://bucket/lake/readers/group/_symlink_format_manifest/';

CREATE OR REPLACE VIEW "my_shop"."group" AS
SELECT "id", "select", CASE WHEN "email" IS NOT NULL THEN '***' END AS "email", "price", "size", "at", "tags", "_deleted_at"
FROM "my_shop_files"."group"
WHERE "_deleted_at" IS NULL;

-- order is left out: it may have deletion vectors (readers.deletion_vectors of the YAML).

DROP TABLE IF EXISTS `my_shop_files`.`listens`;

CREATE EXTERNAL TABLE `my_shop_files`.`listens` (
  `user_id` bigint,
  `track_id` bigint
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://bucket/lake/readers/listens/_symlink_format_manifest/';

CREATE OR REPLACE VIEW "my_shop"."listens" AS
SELECT "user_id", "track_id"
FROM "my_shop_files"."listens";
