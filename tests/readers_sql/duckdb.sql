-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

CREATE SCHEMA IF NOT EXISTS "my_shop";

CREATE OR REPLACE VIEW "my_shop"."group" AS
SELECT "id", "select", CASE WHEN "email" IS NOT NULL THEN '***' END AS "email", "price", "size", "at", "tags", "_deleted_at"
FROM (SELECT CAST(NULL AS bigint) AS "id", CAST(NULL AS varchar) AS "select", CAST(NULL AS varchar) AS "email", CAST(NULL AS date) AS "born", CAST(NULL AS decimal(10,2)) AS "price", CAST(NULL AS double) AS "size", CAST(NULL AS timestamptz) AS "at", CAST(NULL AS varchar[]) AS "tags", CAST(NULL AS timestamptz) AS "_deleted_at" WHERE false
  UNION ALL BY NAME FROM read_parquet([
  's3://bucket/lake/silver/group/1.parquet',
  's3://bucket/lake/silver/group/2.parquet'
  ], union_by_name = true))
WHERE "_deleted_at" IS NULL;

CREATE OR REPLACE VIEW "my_shop"."order" AS
SELECT "id", "_deleted_at"
FROM delta_scan('s3://bucket/lake/silver/order', version => 0)
WHERE "_deleted_at" IS NULL;

CREATE OR REPLACE VIEW "my_shop"."listens" AS
SELECT "user_id", "track_id"
FROM (SELECT CAST(NULL AS bigint) AS "user_id", CAST(NULL AS bigint) AS "track_id" WHERE false
  UNION ALL BY NAME FROM read_parquet([
  's3://bucket/lake/gold/listens/3.parquet'
  ], union_by_name = true));
