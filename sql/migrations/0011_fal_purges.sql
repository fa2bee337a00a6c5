-- What is to leave Fal is told apart by its request: one attempt may have reached Fal twice.
-- migrate:up

ALTER TABLE fal_purges
    DROP CONSTRAINT fal_purges_pkey,
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,
    ADD CONSTRAINT fal_purges_pkey PRIMARY KEY (id),
    ADD CONSTRAINT fal_purges_request_key UNIQUE NULLS NOT DISTINCT (attempt_id, request_id);

-- migrate:down
