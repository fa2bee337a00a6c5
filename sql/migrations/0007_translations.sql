-- What the translator answered, so that the same words are paid for once.
-- migrate:up

-- The English of a sentence is still somebody's sentence, so an entry says nothing of who asked,
-- not even by the hash of an account, and is swept away when nobody has asked for exactly these
-- words in 30 days. Deleting an account therefore needs no look in here: within those 30 days its
-- sentences are gone, except one that other people write too.
CREATE TABLE translations (
    prompt_hash  bytea       NOT NULL,
    model        text        NOT NULL,
    english      text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT translations_pkey PRIMARY KEY (prompt_hash, model)
);
COMMENT ON COLUMN translations.prompt_hash IS
    'SHA-256 of the prompt, composed (NFC) and with single spaces; the prompt is not stored.';
COMMENT ON COLUMN translations.last_used_at IS 'To the day: it is not written at each use.';
CREATE INDEX translations_by_last_use ON translations (last_used_at);

-- migrate:down
