-- name: insert_fal_purges_of_generations(generation_ids, keeps_payload) exec
-- For an action, in a transaction that has ended or deleted the generations and so holds their rows:
-- every request that ever left for them. It updates the attempts and does not only look at them:
-- whoever sends one at this very moment has told so before, or finds it ended and does not send it.
WITH ended AS (
    UPDATE attempts
       SET state = CASE state WHEN 'prepared' THEN 'failed' ELSE state END,
           resolved_at = CASE state WHEN 'prepared' THEN now() ELSE resolved_at END
     WHERE generation_id = ANY ($1::uuid[])
    RETURNING id, state, endpoint, request_id, arguments, sent_at
)
INSERT INTO fal_purges (attempt_id, endpoint, request_id, arguments, sent_at, is_cancelled,
                        keeps_payload)
SELECT id, endpoint, request_id, CASE WHEN request_id IS NULL THEN arguments END, sent_at,
       state = 'succeeded', $2
  FROM ended
 WHERE sent_at IS NOT NULL
   AND (state <> 'succeeded' OR NOT $2)
 ORDER BY id
    ON CONFLICT (attempt_id, request_id) DO UPDATE
   SET keeps_payload = fal_purges.keeps_payload AND excluded.keeps_payload,
       due_at = excluded.due_at;

-- name: insert_fal_purge(attempt_id, request_id, keeps_payload) exec
-- For a worker, or a verified webhook that knows the request by its id: one request that nobody
-- wants any more.
INSERT INTO fal_purges (attempt_id, endpoint, request_id, arguments, sent_at, keeps_payload)
SELECT id, endpoint, coalesce($2::text, request_id),
       CASE WHEN coalesce($2, request_id) IS NULL THEN arguments END,
       coalesce(sent_at, now()), $3
  FROM attempts
 WHERE id = $1
   AND endpoint IS NOT NULL
    ON CONFLICT (attempt_id, request_id) DO UPDATE
   SET keeps_payload = fal_purges.keeps_payload AND excluded.keeps_payload,
       due_at = excluded.due_at;

-- name: insert_fal_purges_of_account(owner_id) exec
-- All that ever left for a person who leaves, in the transaction that has deleted the pictures;
-- it updates the attempts for the reason given above.
WITH ended AS (
    UPDATE attempts a
       SET state = CASE a.state WHEN 'prepared' THEN 'failed' ELSE a.state END,
           resolved_at = CASE a.state WHEN 'prepared' THEN now() ELSE a.resolved_at END
      FROM generations g
     WHERE g.user_id = $1
       AND a.generation_id = g.id
    RETURNING a.id, a.state, a.endpoint, a.request_id, a.arguments, a.sent_at
)
INSERT INTO fal_purges (attempt_id, endpoint, request_id, arguments, sent_at, is_cancelled)
SELECT id, endpoint, request_id, CASE WHEN request_id IS NULL THEN arguments END, sent_at,
       state = 'succeeded'
  FROM ended
 WHERE sent_at IS NOT NULL
 ORDER BY id
    ON CONFLICT (attempt_id, request_id) DO UPDATE
   SET keeps_payload = false,
       due_at = excluded.due_at;

-- name: claim_due_fal_purges(n, lease_s) many
-- For a worker: what is due and in nobody's hands; if it dies over them, they are due again. An
-- attempt may have learnt its request's id meanwhile.
UPDATE fal_purges p
   SET due_at = now() + make_interval(secs => $2)
 WHERE id = ANY (ARRAY(
           SELECT id
             FROM fal_purges
            WHERE due_at <= now()
            ORDER BY due_at, id
            LIMIT $1
              FOR UPDATE SKIP LOCKED))
RETURNING p.id, p.attempt_id, p.endpoint, p.arguments, p.sent_at, p.is_cancelled, p.keeps_payload,
          p.tries, p.due_at,
          coalesce(p.request_id,
                   (SELECT a.request_id FROM attempts a WHERE a.id = p.attempt_id)) AS request_id,
          extract(epoch FROM now() - p.sent_at)::float8 AS sent_age_s,
          extract(epoch FROM now() - p.created_at)::float8 AS age_s;

-- name: list_requests_of_others(attempt_id, request_ids) many
-- For a worker that looks a request up: which of these are another attempt's.
SELECT request_id
  FROM attempts
 WHERE id <> $1
   AND request_id = ANY ($2::text[])
 UNION
SELECT request_id
  FROM fal_purges
 WHERE attempt_id <> $1
   AND request_id = ANY ($2);

-- name: has_unclear_twin(attempt_id, endpoint, arguments) value
-- For a worker that looks a request up: whether one that is wanted was sent with the very same
-- words and seed, and has no id yet. Then nobody can tell which request is whose.
SELECT EXISTS (
    SELECT
      FROM attempts a
      JOIN generations g ON g.id = a.generation_id
     WHERE a.id <> $1
       AND a.endpoint = $2
       AND a.arguments = $3::jsonb
       AND a.request_id IS NULL
       AND a.state IN ('sent', 'unknown')
       AND g.deleted_at IS NULL);

-- name: bind_fal_purge(id, due_at, request_ids) exec
-- For a worker that found the requests of one: each is a row of its own from now on.
WITH unknown AS (
    DELETE FROM fal_purges
     WHERE id = $1
       AND due_at = $2
    RETURNING attempt_id, endpoint, sent_at, is_cancelled, keeps_payload, created_at
)
INSERT INTO fal_purges (attempt_id, endpoint, request_id, sent_at, is_cancelled, keeps_payload,
                        created_at)
SELECT DISTINCT attempt_id, endpoint, request_id, sent_at, is_cancelled, keeps_payload, created_at
  FROM unknown, unnest($3::text[]) AS request_id
    ON CONFLICT (attempt_id, request_id) DO UPDATE
   SET keeps_payload = fal_purges.keeps_payload AND excluded.keeps_payload,
       due_at = excluded.due_at;

-- name: delete_fal_purges(ids, due_ats) exec
-- For a worker that is done with them. One that somebody made due again meanwhile stays.
DELETE FROM fal_purges p
 USING unnest($1::bigint[], $2::timestamptz[]) AS gone (id, due_at)
 WHERE p.id = gone.id
   AND p.due_at = gone.due_at;

-- name: postpone_fal_purges(ids, due_ats, are_cancelled, waits_s) exec
-- For a worker that has to come back for them.
UPDATE fal_purges p
   SET tries = tries + 1,
       is_cancelled = late.is_cancelled,
       due_at = now() + make_interval(secs => late.wait_s)
  FROM unnest($1::bigint[], $2::timestamptz[], $3::boolean[], $4::float8[])
       AS late (id, due_at, is_cancelled, wait_s)
 WHERE p.id = late.id
   AND p.due_at = late.due_at;
