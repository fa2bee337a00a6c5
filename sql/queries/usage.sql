-- name: insert_usage(user_ids, endpoints, methods, status_codes, response_times_ms, ip_addresses, user_agents, times) exec
-- A batch of requests. Whoever left between request and writing is nobody, from nowhere: the
-- lock makes a deletion under way end first, or come after these rows and see them.
WITH known AS (
    SELECT id
      FROM users
     WHERE id = ANY ($1::uuid[])
       AND deleted_at IS NULL
     ORDER BY id
       FOR SHARE
)
INSERT INTO api_usage (user_id, endpoint, method, status_code, response_time_ms,
                       ip_address, user_agent, created_at)
SELECT known.id, seen.endpoint, seen.method, seen.status_code, seen.response_time_ms,
       CASE WHEN seen.user_id IS NULL OR known.id IS NOT NULL THEN seen.ip_address END,
       CASE WHEN seen.user_id IS NULL OR known.id IS NOT NULL THEN seen.user_agent END,
       seen.created_at
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[], $6::inet[], $7::text[],
              $8::timestamptz[])
       AS seen (user_id, endpoint, method, status_code, response_time_ms, ip_address, user_agent,
                created_at)
  LEFT JOIN known ON known.id = seen.user_id;

-- name: touch_sessions(ids, idle_s) exec
-- Sessions that were used live on, up to their end; each is written at most every five minutes.
UPDATE user_sessions
   SET last_seen_at = now(),
       expires_at = least(ends_at, now() + make_interval(secs => $2))
 WHERE id IN (SELECT id
                FROM user_sessions
               WHERE id = ANY ($1::uuid[])
                 AND last_seen_at < now() - interval '5 minutes'
                 AND expires_at > now()
                 FOR UPDATE SKIP LOCKED);

-- name: count_servings(object_keys, kinds, link_hashes) exec
-- For a worker: views and downloads of pictures that are still there; a link that was counted
-- before is not counted again. The rows are locked in one order, so that two processes that
-- count at once do not wait for each other.
WITH seen AS (
    SELECT object_key, kind, link_hash
      FROM unnest($1::text[], $2::text[], $3::bytea[]) AS seen (object_key, kind, link_hash)
), served AS (
    SELECT g.id, seen.kind, seen.link_hash
      FROM seen
      JOIN generations g ON g.result_image_key = seen.object_key
    UNION
    SELECT g.id, seen.kind, seen.link_hash
      FROM seen
      JOIN generations g ON g.master_key = seen.object_key
     WHERE seen.kind = 'download'
), there AS (
    SELECT id
      FROM generations
     WHERE id IN (SELECT id FROM served)
       AND deleted_at IS NULL
     ORDER BY id
       FOR NO KEY UPDATE
), counted AS (
    INSERT INTO file_servings (generation_id, kind, link_hash)
    SELECT there.id, served.kind, served.link_hash
      FROM there
      JOIN served ON served.id = there.id
        ON CONFLICT DO NOTHING
    RETURNING generation_id, kind
)
UPDATE generations g
   SET view_count = view_count + n.views,
       download_count = download_count + n.downloads
  FROM (SELECT generation_id,
               count(*) FILTER (WHERE kind = 'view') AS views,
               count(*) FILTER (WHERE kind = 'download') AS downloads
          FROM counted
         GROUP BY generation_id) n
 WHERE g.id = n.generation_id;

-- name: anonymise_usage(user_id, n) exec
-- What a person who leaves has done is from now on nobody's: at most n rows, since a month of a
-- busy program is more than one statement may take. In a statement of its own, after the one that
-- marked the person deleted: see insert_usage.
UPDATE api_usage
   SET user_id = NULL,
       ip_address = NULL,
       user_agent = NULL
 WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM api_usage
            WHERE user_id = $1
            LIMIT $2
              FOR UPDATE SKIP LOCKED));

-- name: anonymise_usage_of_deleted(n) exec
-- For a worker: the rest of it, of whoever left.
UPDATE api_usage
   SET user_id = NULL,
       ip_address = NULL,
       user_agent = NULL
 WHERE ctid = ANY (ARRAY(
           SELECT a.ctid
             FROM users u
             JOIN api_usage a ON a.user_id = u.id
            WHERE u.deleted_at IS NOT NULL
            LIMIT $1
              FOR UPDATE OF a SKIP LOCKED));

-- name: delete_old_usage(n) exec
-- For a worker: at most n rows, the oldest first. By place, since the planner would read the
-- whole table to find so many ids.
DELETE FROM api_usage
 WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM api_usage
            WHERE created_at < now() - interval '30 days'
            ORDER BY created_at
            LIMIT $1
              FOR UPDATE SKIP LOCKED));

-- name: delete_old_servings(n) exec
-- For a worker: at most n rows whose links have long ended.
DELETE FROM file_servings
 WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM file_servings
            WHERE served_at < now() - interval '1 day'
            ORDER BY served_at
            LIMIT $1
              FOR UPDATE SKIP LOCKED));
