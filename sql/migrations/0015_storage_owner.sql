-- Whose storage it is, and a trash that a worker of an older release cannot empty.
-- migrate:up

CREATE TABLE installation (
    is_only boolean NOT NULL DEFAULT true,
    id      uuid    NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT installation_pkey PRIMARY KEY (is_only),
    CONSTRAINT installation_is_only_check CHECK (is_only)
);
COMMENT ON TABLE installation IS
    'One row: what this database is called in the note that lies in its storage.';
INSERT INTO installation DEFAULT VALUES;

-- A worker from before the trash removes the rows of deleted pictures without asking gone_at. Where
-- it runs beside this schema (an update under way, or one taken back) those rows stay. They go with
-- their account: then its row is marked, or no longer there.
CREATE FUNCTION keep_trashed_generation() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users WHERE id = OLD.user_id AND deleted_at IS NULL;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER generations_keep_trashed
    BEFORE DELETE ON generations
    FOR EACH ROW
    WHEN (OLD.deleted_at IS NOT NULL AND OLD.gone_at > now())
    EXECUTE FUNCTION keep_trashed_generation();

-- migrate:down
