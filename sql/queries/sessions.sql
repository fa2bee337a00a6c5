-- name: insert_session(user_id, token_hash, ttl_s) one
INSERT INTO user_sessions (user_id, session_token, expires_at)
VALUES ($1, $2, now() + make_interval(secs => $3))
RETURNING id, expires_at;

-- name: get_session_by_token(token_hash) maybe
-- Who holds this cookie; no row when it was signed out, has ended, or the person is disabled.
SELECT s.id AS session_id, s.expires_at, u.id, u.email, u.display_name, u.avatar_url, u.language
  FROM user_sessions s
  JOIN users u ON u.id = s.user_id
 WHERE s.session_token = $1
   AND s.expires_at > now()
   AND u.is_active;

-- name: get_session(id, user_id) maybe
-- The same for a bearer token, which names its session.
SELECT s.id AS session_id, s.expires_at, u.id, u.email, u.display_name, u.avatar_url, u.language
  FROM user_sessions s
  JOIN users u ON u.id = s.user_id
 WHERE s.id = $1
   AND s.user_id = $2
   AND s.expires_at > now()
   AND u.is_active;

-- name: delete_session(id, user_id) exec
DELETE FROM user_sessions
 WHERE id = $1
   AND user_id = $2;

-- name: list_ended_sessions(ids) many
-- For the hub: which of the sessions with open sockets may no longer see anything.
SELECT asked.id
  FROM unnest($1::uuid[]) AS asked (id)
 WHERE NOT EXISTS (SELECT FROM user_sessions s
                     JOIN users u ON u.id = s.user_id
                    WHERE s.id = asked.id
                      AND s.expires_at > now()
                      AND u.is_active);

-- name: delete_ended_sessions() exec
DELETE FROM user_sessions
 WHERE expires_at <= now();
