-- name: get_installation() value
-- For a worker: what this database is called in its storage.
SELECT id
  FROM installation;

-- name: list_orphans(object_keys) many
-- For a worker: those of these objects that no row names. A row in the trash names its objects like
-- any other, and what is already to leave storage is no news.
SELECT key AS object_key
  FROM unnest($1::text[]) AS key
 WHERE NOT EXISTS (SELECT FROM generations WHERE master_key = key)
   AND NOT EXISTS (SELECT FROM generations WHERE result_image_key = key)
   AND NOT EXISTS (SELECT FROM generations WHERE thumbnail_key = key)
   AND NOT EXISTS (SELECT FROM uploads WHERE object_key = key)
   AND NOT EXISTS (SELECT FROM uploads WHERE thumbnail_key = key)
   AND NOT EXISTS (SELECT FROM purges WHERE object_key = key);

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
