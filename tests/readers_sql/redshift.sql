-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

CREATE EXTERNAL SCHEMA IF NOT EXISTS "my_shop_files" FROM DATA CATALOG
DATABASE 'my_shop_redshift' IAM_ROLE default CREATE EXTERNAL DATABASE IF NOT EXISTS;

CREATE SCHEMA IF NOT EXISTS "my_shop";

DROP TABLE IF EXISTS "my_shop_files"."group";

CREATE EXTERNAL TABLE "my_shop_files"."group" (
  "id" bigint,
  "select" varchar(65535),
  "email" varchar(65535),
  "born" date,
  "price" decimal(10,2),
  "size" double precision,
  "at" timestamp,
  "tags" array<varchar(65535)>,
  "_deleted_at" timestamp
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://bucket/lake/readers/group/_symlink_format_manifest/';

CREATE OR REPLACE VIEW "my_shop"."group" AS
SELECT "id", "select", CASE WHEN "email" IS NOT NULL THEN '***' END AS "email", "price", "size", "at", "_deleted_at"
FROM "my_shop_files"."group"
WHERE "_deleted_at" IS NULL
WITH NO SCHEMA BINDING;

-- order is left out: it may have deletion vectors (readers.deletion_vectors of the YAML).

DROP TABLE IF EXISTS "my_shop_files"."listens";

CREATE EXTERNAL TABLE "my_shop_files"."listens" (
  "user_id" bigint,
  "track_id" bigint
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://bucket/lake/readers/listens/_symlink_format_manifest/';

CREATE OR REPLACE VIEW "my_shop"."listens" AS
SELECT "user_id", "track_id"
FROM "my_shop_files"."listens"
WITH NO SCHEMA BINDING;
