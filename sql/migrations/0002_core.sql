-- The tables of the product. The tables are the truth; queue jobs are wake-ups.
-- migrate:up

-- The queue would NOTIFY inside the transaction that enqueues, and all such transactions queue
-- for one lock on the whole server. Whoever enqueues rings after the commit instead.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;

CREATE TABLE users (
    id           uuid         NOT NULL DEFAULT gen_random_uuid(),
    google_id    varchar(255) NOT NULL,
    email        varchar(255) NOT NULL,
    display_name varchar(255) NOT NULL,
    avatar_url   text,
    language     varchar(2)   NOT NULL DEFAULT 'en',
    is_active    boolean      NOT NULL DEFAULT true,
    created_at   timestamptz  NOT NULL DEFAULT now(),
    updated_at   timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_google_id_key UNIQUE (google_id),
    CONSTRAINT users_language_known CHECK (language IN ('en', 'ar'))
);
COMMENT ON COLUMN users.google_id IS 'Google''s sub: the identity. An e-mail may change or repeat.';
CREATE INDEX users_by_email ON users (email);

CREATE TABLE user_sessions (
    id            uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id       uuid        NOT NULL,
    session_token bytea       NOT NULL,
    expires_at    timestamptz NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_sessions_pkey PRIMARY KEY (id),
    CONSTRAINT user_sessions_session_token_key UNIQUE (session_token),
    CONSTRAINT user_sessions_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
COMMENT ON COLUMN user_sessions.session_token IS 'SHA-256 of the token; the token is never stored.';
CREATE INDEX user_sessions_by_user ON user_sessions (user_id);
CREATE INDEX user_sessions_by_expiry ON user_sessions (expires_at);

CREATE TABLE sign_ins (
    state_hash    bytea       NOT NULL,
    browser_hash  bytea       NOT NULL,
    nonce         text        NOT NULL,
    code_verifier text        NOT NULL,
    expires_at    timestamptz NOT NULL,
    CONSTRAINT sign_ins_pkey PRIMARY KEY (state_hash)
);
COMMENT ON TABLE sign_ins IS 'A sign-in under way at Google; taken out when the browser returns.';
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);

CREATE TABLE generation_styles (
    id                varchar(50)  NOT NULL,
    title             varchar(100) NOT NULL,
    title_ar          varchar(100) NOT NULL,
    description       text         NOT NULL DEFAULT '',
    description_ar    text         NOT NULL DEFAULT '',
    preview_image_url text         NOT NULL,
    default_prompt    text         NOT NULL,
    default_prompt_ar text         NOT NULL,
    fal_model_params  jsonb        NOT NULL,
    is_active         boolean      NOT NULL DEFAULT true,
    sort_order        integer      NOT NULL DEFAULT 0,
    typical_seconds   real,
    created_at        timestamptz  NOT NULL DEFAULT now(),
    updated_at        timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT generation_styles_pkey PRIMARY KEY (id)
);
COMMENT ON COLUMN generation_styles.typical_seconds IS 'Median of the last 20 pictures; null below three.';

CREATE TABLE uploads (
    id            uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id       uuid        NOT NULL,
    object_key    text        NOT NULL,
    thumbnail_key text        NOT NULL,
    file_size     bigint      NOT NULL,
    width         integer     NOT NULL,
    height        integer     NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uploads_pkey PRIMARY KEY (id),
    CONSTRAINT uploads_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX uploads_by_user ON uploads (user_id, created_at DESC);

CREATE TABLE generations (
    id                      uuid         NOT NULL DEFAULT gen_random_uuid(),
    user_id                 uuid         NOT NULL,

    prompt                  text         NOT NULL,
    prompt_english          text,
    style                   varchar(50)  NOT NULL,
    aspect_ratio            varchar(10)  NOT NULL DEFAULT '1:1',
    input_type              varchar(10)  NOT NULL,
    source_upload_id        uuid,
    custom_colors           jsonb        NOT NULL DEFAULT '[]',
    seed                    bigint       NOT NULL,

    state                   text         NOT NULL DEFAULT 'queued',
    step                    text         NOT NULL,
    version                 bigint       NOT NULL DEFAULT 1,
    queue_position          integer,
    error_code              text,

    fal_job_id              varchar(255),
    fal_status              varchar(20)  NOT NULL DEFAULT 'pending',
    fal_progress            integer      NOT NULL DEFAULT 0,
    fal_error               text,

    lease_owner             text,
    lease_epoch             bigint       NOT NULL DEFAULT 0,
    lease_until             timestamptz,
    next_action_at          timestamptz  DEFAULT now(),
    deadline_at             timestamptz  NOT NULL,
    stumbles                integer      NOT NULL DEFAULT 0,

    master_key              text,
    result_image_key        text,
    thumbnail_key           text,
    file_size_bytes         bigint,
    image_dimensions        jsonb,
    transparency            jsonb,
    generation_time_seconds integer,

    is_liked                boolean      NOT NULL DEFAULT false,
    download_count          integer      NOT NULL DEFAULT 0,
    view_count              integer      NOT NULL DEFAULT 0,

    started_at              timestamptz,
    completed_at            timestamptz,
    created_at              timestamptz  NOT NULL DEFAULT now(),
    updated_at              timestamptz  NOT NULL DEFAULT now(),
    deleted_at              timestamptz,

    CONSTRAINT generations_pkey PRIMARY KEY (id),
    CONSTRAINT generations_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT generations_style_fkey FOREIGN KEY (style) REFERENCES generation_styles (id),
    CONSTRAINT generations_source_fkey FOREIGN KEY (source_upload_id) REFERENCES uploads (id),
    CONSTRAINT generations_fal_job_key UNIQUE (fal_job_id),
    CONSTRAINT generations_input_known CHECK (input_type IN ('text', 'image')),
    CONSTRAINT generations_ratio_known CHECK (aspect_ratio IN ('1:1', '16:9', '9:16', '4:3')),
    CONSTRAINT generations_state_known
        CHECK (state IN ('queued', 'processing', 'finalizing', 'completed', 'failed')),
    CONSTRAINT generations_step_known CHECK (step IN ('translate', 'draw', 'cutout', 'finalize')),
    CONSTRAINT generations_progress_range CHECK (fal_progress BETWEEN 0 AND 100),
    CONSTRAINT generations_hundred_means_completed
        CHECK ((fal_progress = 100) = (state = 'completed')),
    CONSTRAINT generations_failed_has_code CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT generations_completed_has_files
        CHECK (state <> 'completed'
               OR (master_key IS NOT NULL AND result_image_key IS NOT NULL
                   AND thumbnail_key IS NOT NULL AND completed_at IS NOT NULL)),
    CONSTRAINT generations_terminal_rests
        CHECK (state NOT IN ('completed', 'failed') OR next_action_at IS NULL)
);
CREATE INDEX generations_by_user ON generations (user_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX generations_by_user_style ON generations (user_id, style, created_at DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX generations_liked ON generations (user_id, created_at DESC)
    WHERE is_liked AND deleted_at IS NULL;
CREATE INDEX generations_by_style_done ON generations (style, completed_at DESC)
    WHERE state = 'completed';
CREATE INDEX generations_due ON generations (next_action_at)
    WHERE next_action_at IS NOT NULL;
CREATE INDEX generations_by_source ON generations (source_upload_id)
    WHERE source_upload_id IS NOT NULL;

CREATE TABLE attempts (
    id             uuid         NOT NULL,
    generation_id  uuid         NOT NULL,
    n              integer      NOT NULL,
    step           text         NOT NULL,
    state          text         NOT NULL DEFAULT 'prepared',
    seed           bigint       NOT NULL,
    endpoint       text,
    arguments      jsonb,
    request_id     varchar(255),
    polls          integer      NOT NULL DEFAULT 0,
    result         jsonb,
    error_type     text,
    created_at     timestamptz  NOT NULL DEFAULT now(),
    sent_at        timestamptz,
    accepted_at    timestamptz,
    announced_at   timestamptz,
    resolved_at    timestamptz,
    CONSTRAINT attempts_pkey PRIMARY KEY (id),
    CONSTRAINT attempts_generation_fkey
        FOREIGN KEY (generation_id) REFERENCES generations (id) ON DELETE CASCADE,
    CONSTRAINT attempts_number_key UNIQUE (generation_id, n),
    CONSTRAINT attempts_request_key UNIQUE (request_id),
    CONSTRAINT attempts_step_known CHECK (step IN ('translate', 'draw', 'cutout')),
    CONSTRAINT attempts_state_known CHECK
        (state IN ('prepared', 'sent', 'unknown', 'accepted', 'succeeded', 'failed', 'abandoned')),
    CONSTRAINT attempts_accepted_has_request
        CHECK (state <> 'accepted' OR request_id IS NOT NULL)
);
COMMENT ON TABLE attempts IS 'One paid submission to Fal for one step.';
COMMENT ON COLUMN attempts.announced_at IS 'A verified webhook said that the request has ended.';
-- What makes a second payment impossible: the next attempt needs this one resolved.
CREATE UNIQUE INDEX attempts_one_live ON attempts (generation_id)
    WHERE state IN ('prepared', 'sent', 'unknown', 'accepted');

CREATE TABLE idempotency_keys (
    user_id       uuid         NOT NULL,
    route         text         NOT NULL,
    key           varchar(255) NOT NULL,
    body_hash     bytea        NOT NULL,
    response      json         NOT NULL,
    created_at    timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, route, key),
    CONSTRAINT idempotency_keys_user_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE purges (
    id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    object_key text        NOT NULL,
    tries      integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT purges_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE purges IS 'Objects to remove from storage; a row goes when its object is gone.';
CREATE INDEX purges_due ON purges (due_at);

CREATE TABLE api_usage (
    id               uuid         NOT NULL DEFAULT gen_random_uuid(),
    user_id          uuid,
    endpoint         varchar(255) NOT NULL,
    method           varchar(10)  NOT NULL,
    status_code      integer      NOT NULL,
    response_time_ms integer,
    ip_address       inet,
    user_agent       text,
    created_at       timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT api_usage_pkey PRIMARY KEY (id),
    CONSTRAINT api_usage_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX api_usage_by_age ON api_usage (created_at);

-- A generation as the wire shows it: the one place where internal states become public words.
-- File fields hold storage keys and `error` holds a code; the edge turns them into links and
-- sentences (madar/api/documents.py).
CREATE VIEW generation_documents AS
SELECT g.id,
       g.user_id,
       g.created_at,
       g.version,
       g.state,
       json_strip_nulls(row_to_json(document)) AS document
  FROM generations g
  JOIN generation_styles s ON s.id = g.style
 CROSS JOIN LATERAL (
    SELECT g.id AS "id",
           CASE g.state
               WHEN 'finalizing' THEN 'processing'
               ELSE g.state
           END AS "status",
           g.fal_progress AS "progress",
           CASE
               WHEN g.state IN ('completed', 'failed') THEN NULL
               WHEN g.state = 'queued' THEN 'queued'
               WHEN g.step = 'draw' THEN 'generating'
               WHEN g.step = 'translate' THEN 'processing'
               ELSE 'finalizing'
           END AS "stage",
           CASE WHEN g.state = 'queued' THEN g.queue_position END AS "queuePosition",
           CASE
               WHEN g.state IN ('completed', 'failed') THEN NULL
               ELSE ceil(nullif(greatest(
                   s.typical_seconds - extract(epoch FROM now() - g.created_at)::real, 0), 0))
           END AS "estimatedTimeSeconds",
           g.version AS "version",
           g.prompt AS "prompt",
           g.style AS "style",
           g.aspect_ratio AS "aspectRatio",
           g.input_type AS "inputType",
           g.source_upload_id AS "sourceUploadId",
           g.custom_colors AS "customColors",
           g.seed::text AS "seed",
           g.is_liked AS "isLiked",
           CASE WHEN g.state = 'completed' THEN (
               SELECT row_to_json(result) FROM (
                   SELECT g.result_image_key AS "imageUrl",
                          g.thumbnail_key AS "thumbnailUrl",
                          g.master_key AS "downloadUrl",
                          g.master_key AS "masterUrl",
                          g.image_dimensions AS "dimensions",
                          g.file_size_bytes AS "fileSize",
                          g.transparency AS "transparency") result)
           END AS "result",
           g.error_code AS "error",
           g.error_code AS "errorCode",
           g.created_at AS "createdAt",
           g.completed_at AS "completedAt"
 ) document
 WHERE g.deleted_at IS NULL;

-- migrate:down
