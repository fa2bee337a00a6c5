-- name: upsert_user(google_id, email, display_name, avatar_url, language) one
-- Google's subject is the identity; what else Google says is refreshed, the language is the
-- person's own and only set the first time.
INSERT INTO users (google_id, email, display_name, avatar_url, language)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (google_id) DO UPDATE
   SET email = excluded.email,
       display_name = excluded.display_name,
       avatar_url = excluded.avatar_url,
       updated_at = now()
RETURNING id, email, display_name, avatar_url, language, is_active;
