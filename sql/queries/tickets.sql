-- name: insert_ticket(token_hash, session_id, owner_id, language, life_s) maybe
-- Those of one session come one after the other, so that whoever counts them sees them all. No row:
-- the session has just ended.
INSERT INTO live_tickets (token_hash, session_id, language, expires_at)
SELECT $1, s.id, $4, clock_timestamp() + make_interval(secs => $5)
  FROM user_sessions s
 WHERE s.id = $2
   AND s.user_id = $3
   FOR NO KEY UPDATE
RETURNING expires_at;

-- name: delete_surplus_tickets(session_id, n) exec
-- Of more than n, those that are the oldest.
DELETE FROM live_tickets
 WHERE token_hash IN (SELECT token_hash
                        FROM live_tickets
                       WHERE session_id = $1
                       ORDER BY expires_at DESC, token_hash
                      OFFSET $2);

-- name: take_ticket(token_hash) maybe
-- Once: the row is gone with the first asking, whoever asks. No row: there is no such ticket any
-- more, it is too old, or its session has ended or its person is disabled. The language was settled
-- by the request for the ticket, so it counts as chosen, unless another was chosen since.
WITH taken AS (
    DELETE FROM live_tickets
     WHERE token_hash = $1
    RETURNING session_id, language, expires_at)
SELECT viewer.session_id, viewer.expires_at, viewer.ends_at, viewer.id, viewer.email,
       viewer.display_name, viewer.avatar_url,
       CASE WHEN viewer.is_language_chosen THEN viewer.language ELSE taken.language END AS language,
       true AS is_language_chosen
  FROM taken
 CROSS JOIN LATERAL live_viewer(NULL, taken.session_id) AS viewer
 WHERE taken.expires_at > clock_timestamp();

-- name: delete_ended_tickets() exec
DELETE FROM live_tickets
 WHERE expires_at <= now();
