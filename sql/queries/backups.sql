-- name: list_columns() many
-- Of every table there is, in their order; what PostgreSQL computes by itself is left out.
SELECT c.relname::text AS table_name, a.attname::text AS column_name
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = current_schema()::regnamespace
   AND c.relkind IN ('r', 'p')
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND a.attgenerated = ''
 ORDER BY c.relname, a.attnum;

-- name: list_references() many
-- Which table needs the rows of which other.
SELECT DISTINCT f.relname::text AS table_name, t.relname::text AS needed_name
  FROM pg_constraint r
  JOIN pg_class f ON f.oid = r.conrelid
  JOIN pg_class t ON t.oid = r.confrelid
 WHERE r.contype = 'f'
   AND r.conrelid <> r.confrelid
   AND f.relnamespace = current_schema()::regnamespace;

-- name: list_sequences() many
-- And the column that each one numbers.
SELECT s.relname::text AS sequence_name, t.relname::text AS table_name,
       a.attname::text AS column_name
  FROM pg_class s
  JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
  JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
 WHERE s.relkind = 'S'
   AND d.deptype IN ('a', 'i')
   AND s.relnamespace = current_schema()::regnamespace;

-- name: get_schema_name() value
-- Where the tables are.
SELECT current_schema()::text;

-- name: get_dumped_server() one
-- In a transaction the time is that of its begin: nothing that its snapshot lacks is older.
SELECT now() AS now, current_setting('server_version') AS version;

-- name: count_sessions_of_madar() value
-- How many connections of running processes of ours there are.
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND application_name = 'madar'
   AND pid <> pg_backend_pid();

-- name: list_objects_of_rows(first, beyond) many
-- For the operator: every object between two keys that a row says is there, those in the trash too.
-- The operators are those of the indexes. Uploads of a closed account leave before their rows do.
SELECT master_key AS object_key
  FROM generations
 WHERE master_key ~>=~ $1
   AND master_key ~<~ $2
   AND state = 'completed'
   AND (deleted_at IS NULL OR gone_at > now())
 UNION ALL
SELECT result_image_key
  FROM generations
 WHERE result_image_key ~>=~ $1
   AND result_image_key ~<~ $2
   AND state = 'completed'
   AND (deleted_at IS NULL OR gone_at > now())
 UNION ALL
SELECT thumbnail_key
  FROM generations
 WHERE thumbnail_key ~>=~ $1
   AND thumbnail_key ~<~ $2
   AND state = 'completed'
   AND (deleted_at IS NULL OR gone_at > now())
 UNION ALL
SELECT object_key
  FROM uploads
 WHERE object_key ~>=~ $1
   AND object_key ~<~ $2
   AND NOT EXISTS (SELECT FROM users WHERE id = uploads.user_id AND deleted_at IS NOT NULL)
 UNION ALL
SELECT thumbnail_key
  FROM uploads
 WHERE thumbnail_key ~>=~ $1
   AND thumbnail_key ~<~ $2
   AND NOT EXISTS (SELECT FROM users WHERE id = uploads.user_id AND deleted_at IS NOT NULL);

-- name: free_restored_generations() exec
-- For the operator: the workers that had them are not of this database. Whoever saw them go on after
-- the backup has seen newer versions than these, and would take what comes next for old.
UPDATE generations
   SET lease_owner = NULL,
       lease_until = NULL,
       version = version + 1000,
       updated_at = now()
 WHERE next_action_at IS NOT NULL;

-- name: mark_restored(taken_at) exec
-- For the operator: what was unfinished then may have been sent to Fal since, without a word in these
-- rows. Where that is still open from a restore before, it was so from then on.
UPDATE installation
   SET restored_from = least($1, CASE WHEN EXISTS (
           SELECT FROM generations
            WHERE next_action_at IS NOT NULL
              AND created_at <= installation.restored_at)
           THEN restored_from END),
       restored_at = now();
