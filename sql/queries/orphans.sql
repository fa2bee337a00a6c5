-- name: insert_purges_of_orphans(object_keys) value
-- For a worker: how many of these objects no row names; they are to leave storage. A row in the
-- trash names its objects like any other.
WITH orphans AS (
    SELECT key
      FROM unnest($1::text[]) AS key
     WHERE NOT EXISTS (SELECT FROM generations WHERE master_key = key)
       AND NOT EXISTS (SELECT FROM generations WHERE result_image_key = key)
       AND NOT EXISTS (SELECT FROM generations WHERE thumbnail_key = key)
       AND NOT EXISTS (SELECT FROM uploads WHERE object_key = key)
       AND NOT EXISTS (SELECT FROM uploads WHERE thumbnail_key = key)
), purge AS (
    INSERT INTO purges (object_key)
    SELECT key
      FROM orphans
        ON CONFLICT DO NOTHING
    RETURNING object_key
)
SELECT count(*)::int
  FROM purge;

-- name: list_named_objects(first, beyond, settled_s) many
-- For a worker: every object between two keys that must be there for somebody, and has been for a
-- while. The operators are those of the indexes.
SELECT master_key AS object_key
  FROM generations
 WHERE master_key ~>=~ $1
   AND master_key ~<~ $2
   AND state = 'completed'
   AND deleted_at IS NULL
   AND completed_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT result_image_key
  FROM generations
 WHERE result_image_key ~>=~ $1
   AND result_image_key ~<~ $2
   AND state = 'completed'
   AND deleted_at IS NULL
   AND completed_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT thumbnail_key
  FROM generations
 WHERE thumbnail_key ~>=~ $1
   AND thumbnail_key ~<~ $2
   AND state = 'completed'
   AND deleted_at IS NULL
   AND completed_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT object_key
  FROM uploads
 WHERE object_key ~>=~ $1
   AND object_key ~<~ $2
   AND created_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT thumbnail_key
  FROM uploads
 WHERE thumbnail_key ~>=~ $1
   AND thumbnail_key ~<~ $2
   AND created_at < now() - make_interval(secs => $3);
