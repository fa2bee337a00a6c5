-- What somebody who was away for a while has missed, and tickets that open a live connection.
-- migrate:up

CREATE INDEX generations_by_user_changed ON generations (user_id, updated_at);
CREATE INDEX generations_unfinished ON generations (user_id)
    WHERE deleted_at IS NULL AND state IN ('queued', 'processing', 'finalizing');

CREATE TABLE deleted_generations (
    id         uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    version    bigint      NOT NULL,
    deleted_at timestamptz NOT NULL,
    CONSTRAINT deleted_generations_pkey PRIMARY KEY (id),
    CONSTRAINT deleted_generations_user_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
COMMENT ON TABLE deleted_generations IS
    'Rows that are gone, for a day: whoever comes back within it learns that they are.';
COMMENT ON COLUMN deleted_generations.version IS 'Newer than any that was ever told.';
COMMENT ON COLUMN deleted_generations.deleted_at IS
    'When its owner saw the last of it, which was long before the row went.';
CREATE INDEX deleted_generations_by_user ON deleted_generations (user_id, deleted_at);
CREATE INDEX deleted_generations_by_age ON deleted_generations (deleted_at);

-- Whichever release, or operator, removes the rows. Those of an account that goes leave nothing.
CREATE FUNCTION remember_deleted_generations() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deleted_generations (id, user_id, version, deleted_at)
    SELECT gone.id, gone.user_id, gone.version + 1,
           CASE WHEN gone.deleted_at IS NULL THEN now() ELSE gone.updated_at END
      FROM gone
      JOIN users u ON u.id = gone.user_id
     WHERE u.deleted_at IS NULL
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER generations_remember_deleted
    AFTER DELETE ON generations
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT
    EXECUTE FUNCTION remember_deleted_generations();

CREATE TABLE live_tickets (
    token_hash bytea       NOT NULL,
    session_id uuid        NOT NULL,
    language   text        NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT live_tickets_pkey PRIMARY KEY (token_hash),
    CONSTRAINT live_tickets_session_fkey
        FOREIGN KEY (session_id) REFERENCES user_sessions (id) ON DELETE CASCADE,
    CONSTRAINT live_tickets_language_known CHECK (language IN ('en', 'ar'))
);
COMMENT ON TABLE live_tickets IS 'Each opens one live connection of its session, once, and soon.';
COMMENT ON COLUMN live_tickets.token_hash IS 'SHA-256 of the ticket; it is never stored itself.';
COMMENT ON COLUMN live_tickets.language IS
    'That of the request for it: where it is shown, a page can name none.';
CREATE INDEX live_tickets_by_session ON live_tickets (session_id, expires_at);

-- migrate:down
