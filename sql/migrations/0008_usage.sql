-- Who used what: found by person, forgotten with the person; and which links were counted.
-- migrate:up

-- `api_usage` stays one plain table: a month of rows is swept in bounded batches along
-- api_usage_by_age, and nothing has to make tomorrow's partition in time for rows to arrive.
-- A person who leaves takes user, address and agent out of all their rows.
CREATE INDEX api_usage_by_user ON api_usage (user_id) WHERE user_id IS NOT NULL;

-- A served file is known by its key alone.
CREATE INDEX generations_by_master_key ON generations (master_key)
    WHERE master_key IS NOT NULL;
CREATE INDEX generations_by_result_image_key ON generations (result_image_key)
    WHERE result_image_key IS NOT NULL;

CREATE TABLE file_servings (
    generation_id uuid        NOT NULL,
    kind          text        NOT NULL,
    link_hash     bytea       NOT NULL,
    served_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT file_servings_pkey PRIMARY KEY (generation_id, kind, link_hash),
    CONSTRAINT file_servings_generation_fkey
        FOREIGN KEY (generation_id) REFERENCES generations (id) ON DELETE CASCADE,
    CONSTRAINT file_servings_kind_known CHECK (kind IN ('view', 'download'))
);
COMMENT ON TABLE file_servings IS
    'Links that were counted: one counts once, however often it is fetched. Needed while it lives.';
CREATE INDEX file_servings_by_age ON file_servings (served_at);

-- migrate:down
