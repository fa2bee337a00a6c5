--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: procrastinate_job_event_type; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);

--
-- Name: procrastinate_job_status; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);

--
-- Name: procrastinate_job_to_defer_v1; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);

--
-- Name: fold_words(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.fold_words(words text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN replace(replace(replace(translate(translate(lower(regexp_replace(NORMALIZE(words, NFKD), '[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+'::text, ''::text, 'g'::text)), 'ٱىیےکةۃہھە٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹øłđıħء'::text, 'ايييكههههه01234567890123456789oldih'::text), ('“”„«»‐‑−'::text || '	

!#$%&''()*+,./:;<=>?@[\]^_`{|}~،؛؟۔٪٫٬‘’–—'::text), ('"""""---'::text || repeat(' '::text, 50))), 'ß'::text, 'ss'::text), 'æ'::text, 'ae'::text), 'œ'::text, 'oe'::text);

--
-- Name: keep_trashed_generation(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.keep_trashed_generation() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM FROM users WHERE id = OLD.user_id AND deleted_at IS NULL;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN OLD;
END
$$;

--
-- Name: live_viewer(bytea, uuid); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.live_viewer(token_hash bytea, session_id uuid) RETURNS TABLE(session_id uuid, expires_at timestamp with time zone, ends_at timestamp with time zone, id uuid, email character varying, display_name character varying, avatar_url text, language character varying, is_language_chosen boolean)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $_$
    SELECT s.id, s.expires_at, s.ends_at, u.id, u.email, u.display_name, u.avatar_url, u.language,
           u.is_language_chosen
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
     WHERE s.session_token = $1
       AND s.expires_at > now()
       AND u.is_active
    UNION ALL
    SELECT s.id, s.expires_at, s.ends_at, u.id, u.email, u.display_name, u.avatar_url, u.language,
           u.is_language_chosen
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
     WHERE s.id = $2
       AND s.expires_at > now()
       AND u.is_active
$_$;

--
-- Name: procrastinate_cancel_job_v1(bigint, boolean, boolean); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;

--
-- Name: procrastinate_defer_jobs_v1(public.procrastinate_job_to_defer_v1[]); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_defer_jobs_v1(jobs public.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;

--
-- Name: procrastinate_defer_periodic_job_v2(character varying, character varying, character varying, character varying, integer, character varying, bigint, jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: procrastinate_jobs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status public.procrastinate_job_status DEFAULT 'todo'::public.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::public.procrastinate_job_status) AND (abort_requested = true))))
);

--
-- Name: procrastinate_fetch_job_v2(character varying[], bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS public.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;

--
-- Name: procrastinate_finish_job_v1(bigint, public.procrastinate_job_status, boolean); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_finish_job_v1(job_id bigint, end_status public.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;

--
-- Name: procrastinate_notify_queue_abort_job_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

--
-- Name: procrastinate_notify_queue_job_inserted_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

--
-- Name: procrastinate_prune_stalled_workers_v1(double precision); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;

--
-- Name: procrastinate_register_worker_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;

--
-- Name: procrastinate_retry_job_v1(bigint, timestamp with time zone, integer, character varying, character varying); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;

--
-- Name: procrastinate_retry_job_v2(bigint, timestamp with time zone, integer, character varying, character varying); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;

--
-- Name: procrastinate_trigger_abort_requested_events_procedure_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;

--
-- Name: procrastinate_trigger_function_scheduled_events_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;

--
-- Name: procrastinate_trigger_function_status_events_insert_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;

--
-- Name: procrastinate_trigger_function_status_events_update_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;

--
-- Name: procrastinate_unlink_periodic_defers_v1(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;

--
-- Name: procrastinate_unregister_worker_v1(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;

--
-- Name: procrastinate_update_heartbeat_v1(bigint); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;

--
-- Name: remember_deleted_generations(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.remember_deleted_generations() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

--
-- Name: search_document(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.search_document(prompt text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
    words text := translate(public.fold_words(prompt), '"-', '  ');
    forms text := setweight(to_tsvector('public.whole_words', words), 'A')::text || ' '
                  || setweight(to_tsvector('pg_catalog.english', words), 'C')::text;
    bare  text;
BEGIN
    IF words ~ '[\u0621-\u064a]' THEN
        bare := regexp_replace(words, '(^| )[وف]?(?:[بك]?ال|لل)(?=[^ ]{2})', '\1', 'g');
        forms := concat_ws(' ', forms,
            setweight(to_tsvector('public.whole_words', bare), 'A'),
            setweight(public.without_endings(bare), 'C'),
            to_tsvector('pg_catalog.arabic', words));
        IF words ~ '(^| )[وبل][^ ]{3}' THEN
            bare := regexp_replace(words,
                '(^| )(?:[وف]?(?:[بك]?ال|لل)(?=[^ ]{2})|(?:و[بل]?|[بل])(?=[^ ]{3}))', '\1', 'g');
            forms := concat_ws(' ', forms,
                setweight(to_tsvector('public.whole_words', bare), 'B'),
                public.without_endings(bare));
        END IF;
    END IF;
    RETURN forms::tsvector;
END
$$;

--
-- Name: search_word(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.search_word(word text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 WITH form AS (
          SELECT unnest.lexeme AS word,
             unnest.weights[1] AS weight
            FROM unnest(public.search_document(search_word.word)) unnest(lexeme, positions, weights)
         ), pattern(shape, others) AS (
          VALUES ('__'::text,'122 ا12ا'::text), ('___'::text,'ا12ا3 12و3'::text), ('_ا_'::text,'ا1وا3 1ي3ان'::text), ('____'::text,'12ا34'::text), ('_ا__'::text,'1وا34 134ا 134ان'::text), ('_اي_'::text,'1يو4'::text), ('__ا_'::text,'12اي4 ا124ه 124ان 12ا2ي4'::text), ('__و_'::text,'124 ا124ه 12ا2ي4'::text), ('__ي_'::text,'12ا4 124ا 124ان ا124ا ا124ه 12ا2ي4'::text), ('__ي'::text,'12ايا'::text), ('___ا'::text,'12ا3ي'::text), ('___ا_'::text,'12ا3ي5'::text), ('___و_'::text,'12ا3ي5'::text), ('___ي_'::text,'12ا3ي5'::text), ('_ا_و_'::text,'1وا3ي5'::text), ('_ا_ي_'::text,'1وا3ي5'::text), ('ا__ا'::text,'23'::text), ('ا__ا_'::text,'235 235ه'::text), ('ا_وا_'::text,'2ا5'::text), ('ا___ه'::text,'23ا4 23و4 23ي4'::text), ('ا___ا'::text,'23ي4'::text), ('_ي_ان'::text,'1ا3'::text), ('___ان'::text,'12ا3 12ي3 1ا23'::text), ('___ا'::text,'1ا23 12ي3'::text), ('__ا_'::text,'12ي4'::text), ('__و_'::text,'1اي4 124ه'::text), ('__ا__'::text,'1245 1245ه'::text), ('_وا__'::text,'1ا45 1ا45ه'::text), ('__اي_'::text,'12ا5ه 12ي5ه'::text), ('__ايا'::text,'12يه'::text), ('__ا_ي'::text,'124ا'::text), ('__ا_ي_'::text,'124ا6 124و6 124ي6 12ا6 12و6 12ي6'::text), ('_وا_ي_'::text,'1ا4و6 1ا4ي6'::text), ('ا___'::text,'234ا'::text), ('___ا'::text,'ا123'::text)
         ), irregular(one, other) AS (
          VALUES ('كتاب'::text,'كتب'::text), ('كلب'::text,'كلاب'::text), ('جبل'::text,'جبال'::text), ('رجل'::text,'رجال'::text), ('بحر'::text,'بحار'::text), ('حبل'::text,'حبال'::text), ('سهم'::text,'سهام'::text), ('قلعه'::text,'قلاع'::text), ('ثوب'::text,'ثياب'::text), ('ريح'::text,'رياح'::text), ('طريق'::text,'طرق'::text), ('مدينه'::text,'مدن'::text), ('سفينه'::text,'سفن'::text), ('امراه'::text,'نسا'::text), ('ابيض'::text,'بيضا'::text), ('man'::text,'men'::text), ('woman'::text,'women'::text), ('child'::text,'children'::text), ('person'::text,'people'::text), ('foot'::text,'feet'::text), ('tooth'::text,'teeth'::text), ('goose'::text,'geese'::text), ('mouse'::text,'mice'::text), ('leaf'::text,'leaves'::text), ('wolf'::text,'wolves'::text), ('knife'::text,'knives'::text), ('color'::text,'colour'::text), ('gray'::text,'grey'::text)
         ), found AS (
          SELECT (quote_literal(form.word) ||
                 CASE form.weight
                     WHEN 'A'::text THEN ':ABC'::text
                     WHEN 'B'::text THEN ':A'::text
                     WHEN 'C'::text THEN ''::text
                     ELSE ':AC'::text
                 END) AS term
            FROM form
         UNION
          SELECT quote_literal("left"(form.word, 2)) AS quote_literal
            FROM form
           WHERE (form.word ~ '^[^ ](.)\1$'::text)
         UNION
          SELECT (quote_literal(unnest.lexeme) || ':ABC'::text)
            FROM ((form
              JOIN irregular ON (((form.word = irregular.one) OR (form.word = irregular.other))))
              CROSS JOIN LATERAL unnest(public.search_document(
                 CASE form.word
                     WHEN irregular.one THEN irregular.other
                     ELSE irregular.one
                 END)) unnest(lexeme, positions, weights))
         UNION
          SELECT (quote_literal(translate(other.other, '123456'::text, form.word)) || ':AB'::text)
            FROM ((form
              JOIN pattern ON ((form.word ~~ pattern.shape)))
              CROSS JOIN LATERAL string_to_table(pattern.others, ' '::text) other(other))
           WHERE ((form.word ~ '^[\u0621-\u064a]+$'::text) AND (form.weight = ANY (ARRAY['A'::text, 'C'::text])) AND ((translate(other.other, '123456'::text, form.word) <> 'اسود'::text) OR (form.word = 'سودا'::text)))
         )
  SELECT string_agg(found.term, ' | '::text) AS string_agg
    FROM found;
END;

--
-- Name: whole_words; Type: TEXT SEARCH DICTIONARY; Schema: public; Owner: -
--

CREATE TEXT SEARCH DICTIONARY public.whole_words (
    TEMPLATE = pg_catalog.simple,
    stopwords = 'english' );

--
-- Name: whole_words; Type: TEXT SEARCH CONFIGURATION; Schema: public; Owner: -
--

CREATE TEXT SEARCH CONFIGURATION public.whole_words (
    PARSER = pg_catalog."default" );

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR asciiword WITH public.whole_words;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR word WITH public.whole_words;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR numword WITH public.whole_words;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR email WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR url WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR host WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR sfloat WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR version WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR hword_numpart WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR hword_part WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR hword_asciipart WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR numhword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR asciihword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR hword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR url_path WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR file WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR "float" WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR "int" WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.whole_words
    ADD MAPPING FOR uint WITH simple;

--
-- Name: search_query(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.search_query(typed text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
 WITH folded AS (
          SELECT regexp_replace(regexp_replace(public.fold_words(search_query.typed), '([^ ])-+|-+(?=[ -]|$)'::text, '\1 '::text, 'g'::text), '(^| )او(?= |$)'::text, '\1or'::text, 'g'::text) AS words
         )
  SELECT (COALESCE(string_agg(
         CASE
             WHEN ((parts.n % (2)::bigint) = 1) THEN parts.part
             ELSE (('('::text || public.search_word(parts.part)) || ')'::text)
         END, ''::text ORDER BY parts.n), ''::text))::tsquery AS "coalesce"
    FROM (folded
      CROSS JOIN LATERAL string_to_table((websearch_to_tsquery('public.whole_words'::regconfig, folded.words))::text, ''''::text) WITH ORDINALITY parts(part, n));
END;

--
-- Name: seconds_at_fal(jsonb, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.seconds_at_fal(step_seconds jsonb, step text) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((CASE WHEN (step = 'translate'::text) THEN COALESCE(((step_seconds ->> 'translate'::text))::double precision, (0)::double precision) ELSE (0)::double precision END + CASE WHEN (step = ANY (ARRAY['translate'::text, 'draw'::text])) THEN COALESCE(((step_seconds ->> 'draw'::text))::double precision, (0)::double precision) ELSE (0)::double precision END) + CASE WHEN (step = ANY (ARRAY['translate'::text, 'draw'::text, 'cutout'::text])) THEN COALESCE(((step_seconds ->> 'cutout'::text))::double precision, (0)::double precision) ELSE (0)::double precision END);

--
-- Name: without_endings(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.without_endings(words text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((to_tsvector('public.whole_words'::regconfig, regexp_replace(words, '([^ ]{3})(?:ات|ون|ين|ان|ها|هم|هن|نا|كم|يه|ا|ك)(?= |$)|([^ ]{2})(?:ه|ي)(?= |$)'::text, '\1\2'::text, 'g'::text)))::text || ' '::text) || (to_tsvector('public.whole_words'::regconfig, regexp_replace(words, '([^ ]{2})ت(?:ان|ين|ها|هم|هن|نا|كم|ه|ي|ك)(?= |$)'::text, '\1'::text, 'g'::text)))::text))::tsvector;

--
-- Name: account_deletions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account_deletions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    generations integer NOT NULL,
    uploads integer NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: TABLE account_deletions; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.account_deletions IS 'Proof that an account was deleted; it says nothing of whose.';

--
-- Name: api_usage; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_usage (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid,
    endpoint character varying(255) NOT NULL,
    method character varying(10) NOT NULL,
    status_code integer NOT NULL,
    response_time_ms integer,
    ip_address inet,
    user_agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempts (
    id uuid NOT NULL,
    generation_id uuid NOT NULL,
    n integer NOT NULL,
    step text NOT NULL,
    state text DEFAULT 'prepared'::text NOT NULL,
    seed bigint NOT NULL,
    endpoint text,
    arguments jsonb,
    request_id character varying(255),
    polls integer DEFAULT 0 NOT NULL,
    result jsonb,
    error_type text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    accepted_at timestamp with time zone,
    announced_at timestamp with time zone,
    resolved_at timestamp with time zone,
    waiting_since timestamp with time zone,
    granted_at timestamp with time zone,
    CONSTRAINT attempts_accepted_has_request CHECK (((state <> 'accepted'::text) OR (request_id IS NOT NULL))),
    CONSTRAINT attempts_state_known CHECK ((state = ANY (ARRAY['prepared'::text, 'sent'::text, 'unknown'::text, 'accepted'::text, 'succeeded'::text, 'failed'::text, 'abandoned'::text]))),
    CONSTRAINT attempts_step_known CHECK ((step = ANY (ARRAY['translate'::text, 'draw'::text, 'cutout'::text])))
);

--
-- Name: TABLE attempts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.attempts IS 'One paid submission to Fal for one step.';

--
-- Name: COLUMN attempts.state; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempts.state IS 'failed: Fal said so, or it never left. abandoned: we stopped waiting; a success may still come.';

--
-- Name: COLUMN attempts.announced_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempts.announced_at IS 'A verified webhook said that the request has ended.';

--
-- Name: COLUMN attempts.waiting_since; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempts.waiting_since IS 'In the line for a turn at Fal since then.';

--
-- Name: COLUMN attempts.granted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.attempts.granted_at IS 'Its turn: it holds one of Fal''s places from then on.';

--
-- Name: counters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.counters (
    name text NOT NULL,
    value bigint DEFAULT 0 NOT NULL
);

--
-- Name: TABLE counters; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.counters IS 'What must not be forgotten when a process ends, counted in the transaction in which it happens.';

--
-- Name: deleted_generations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.deleted_generations (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    version bigint NOT NULL,
    deleted_at timestamp with time zone NOT NULL
);

--
-- Name: TABLE deleted_generations; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.deleted_generations IS 'Rows that are gone, for a day: whoever comes back within it learns that they are.';

--
-- Name: COLUMN deleted_generations.version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.deleted_generations.version IS 'Newer than any that was ever told.';

--
-- Name: COLUMN deleted_generations.deleted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.deleted_generations.deleted_at IS 'When its owner saw the last of it, which was long before the row went.';

--
-- Name: fal_gate; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fal_gate (
    is_only boolean DEFAULT true NOT NULL,
    failing_since timestamp with time zone,
    closed_until timestamp with time zone,
    reason text,
    steady_at timestamp with time zone,
    next_turn_at timestamp with time zone,
    places integer DEFAULT 2 NOT NULL,
    paused_at timestamp with time zone,
    pause_reason text,
    pause_reason_ar text,
    CONSTRAINT fal_gate_failing_has_reason CHECK (((failing_since IS NULL) = (reason IS NULL))),
    CONSTRAINT fal_gate_pause_has_reasons CHECK ((((paused_at IS NULL) = (pause_reason IS NULL)) AND ((paused_at IS NULL) = (pause_reason_ar IS NULL)))),
    CONSTRAINT fal_gate_reason_known CHECK ((reason = ANY (ARRAY['key_refused'::text, 'rate_limited'::text, 'unreachable'::text]))),
    CONSTRAINT fal_gate_single CHECK (is_only)
);

--
-- Name: TABLE fal_gate; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.fal_gate IS 'One row: whether anything may be submitted to Fal just now.';

--
-- Name: COLUMN fal_gate.closed_until; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.closed_until IS 'Nothing is submitted before; then one that tries it.';

--
-- Name: COLUMN fal_gate.steady_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.steady_at IS 'After an outage turns are given slowly until then.';

--
-- Name: COLUMN fal_gate.next_turn_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.next_turn_at IS 'When the next turn may be given while it is slow.';

--
-- Name: COLUMN fal_gate.places; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.places IS 'FAL_CONCURRENCY, as a worker saw it last: for estimates.';

--
-- Name: COLUMN fal_gate.paused_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.paused_at IS 'An operator lets nothing be submitted since then; no deadline of what waits runs meanwhile.';

--
-- Name: COLUMN fal_gate.pause_reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.pause_reason IS 'What people are told, in English.';

--
-- Name: COLUMN fal_gate.pause_reason_ar; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_gate.pause_reason_ar IS 'The same in Arabic.';

--
-- Name: generation_styles; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.generation_styles (
    id character varying(50) NOT NULL,
    title character varying(100) NOT NULL,
    title_ar character varying(100) NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    description_ar text DEFAULT ''::text NOT NULL,
    preview_image_url text NOT NULL,
    default_prompt text NOT NULL,
    default_prompt_ar text NOT NULL,
    fal_model_params jsonb NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    sort_order integer DEFAULT 0 NOT NULL,
    typical_seconds real,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    step_seconds jsonb DEFAULT '{}'::jsonb NOT NULL
);

--
-- Name: COLUMN generation_styles.typical_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generation_styles.typical_seconds IS 'Median of the last 20 pictures, without their waiting for turns; null below three.';

--
-- Name: COLUMN generation_styles.step_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generation_styles.step_seconds IS 'Of the same pictures, by step: the median of the seconds for which it held a place at Fal.';

--
-- Name: generations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.generations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    prompt text NOT NULL,
    prompt_english text,
    style character varying(50) NOT NULL,
    aspect_ratio character varying(10) DEFAULT '1:1'::character varying NOT NULL,
    input_type character varying(10) NOT NULL,
    source_upload_id uuid,
    custom_colors jsonb DEFAULT '[]'::jsonb NOT NULL,
    seed bigint NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    step text NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    queue_position integer,
    error_code text,
    fal_job_id character varying(255),
    fal_status character varying(20) DEFAULT 'pending'::character varying NOT NULL,
    fal_progress integer DEFAULT 0 NOT NULL,
    fal_error text,
    lease_owner text,
    lease_epoch bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    next_action_at timestamp with time zone DEFAULT now(),
    deadline_at timestamp with time zone NOT NULL,
    stumbles integer DEFAULT 0 NOT NULL,
    master_key text,
    result_image_key text,
    thumbnail_key text,
    file_size_bytes bigint,
    image_dimensions jsonb,
    transparency jsonb,
    generation_time_seconds integer,
    is_liked boolean DEFAULT false NOT NULL,
    download_count integer DEFAULT 0 NOT NULL,
    view_count integer DEFAULT 0 NOT NULL,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    translation text,
    prompt_search tsvector GENERATED ALWAYS AS (public.search_document(prompt)) STORED NOT NULL,
    parent_id uuid,
    crashes integer DEFAULT 0 NOT NULL,
    gone_at timestamp with time zone,
    promised_at timestamp with time zone,
    expected_at timestamp with time zone,
    draw_step integer,
    draw_steps integer,
    CONSTRAINT generations_completed_has_files CHECK (((state <> 'completed'::text) OR ((master_key IS NOT NULL) AND (result_image_key IS NOT NULL) AND (thumbnail_key IS NOT NULL) AND (completed_at IS NOT NULL)))),
    CONSTRAINT generations_draw_step_range CHECK (((draw_step >= 0) AND (draw_step <= draw_steps))),
    CONSTRAINT generations_draw_steps_together CHECK (((draw_step IS NULL) = (draw_steps IS NULL))),
    CONSTRAINT generations_failed_has_code CHECK (((state = ANY (ARRAY['reviving'::text, 'failed'::text])) = (error_code IS NOT NULL))),
    CONSTRAINT generations_hundred_means_completed CHECK (((fal_progress = 100) = (state = 'completed'::text))),
    CONSTRAINT generations_input_known CHECK (((input_type)::text = ANY ((ARRAY['text'::character varying, 'image'::character varying])::text[]))),
    CONSTRAINT generations_progress_range CHECK (((fal_progress >= 0) AND (fal_progress <= 100))),
    CONSTRAINT generations_ratio_known CHECK (((aspect_ratio)::text = ANY ((ARRAY['1:1'::character varying, '16:9'::character varying, '9:16'::character varying, '4:3'::character varying])::text[]))),
    CONSTRAINT generations_state_known CHECK ((state = ANY (ARRAY['queued'::text, 'processing'::text, 'finalizing'::text, 'reviving'::text, 'completed'::text, 'failed'::text]))),
    CONSTRAINT generations_step_known CHECK ((step = ANY (ARRAY['translate'::text, 'draw'::text, 'cutout'::text, 'finalize'::text]))),
    CONSTRAINT generations_terminal_rests CHECK (((state <> ALL (ARRAY['completed'::text, 'failed'::text])) OR (next_action_at IS NULL))),
    CONSTRAINT generations_translation_known CHECK ((translation = ANY (ARRAY['pending'::text, 'done'::text, 'failed'::text])))
);

--
-- Name: COLUMN generations.translation; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.translation IS 'Whether the person''s words reached Fal in English; null where they already were.';

--
-- Name: COLUMN generations.parent_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.parent_id IS 'The failed one that was asked for again with this one.';

--
-- Name: COLUMN generations.crashes; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.crashes IS 'How many workers in a row lost its lease without a word; their last one may have died of it.';

--
-- Name: COLUMN generations.gone_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.gone_at IS 'When a deleted one goes for good; until then it lies in the trash. Null: it went at once.';

--
-- Name: COLUMN generations.promised_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.promised_at IS 'When it was to be done by the first estimate; what came of it is the error of our estimates.';

--
-- Name: COLUMN generations.expected_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.expected_at IS 'When it is to be done by the newest estimate.';

--
-- Name: COLUMN generations.draw_step; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.generations.draw_step IS 'Of draw_steps, as Fal last told of a running drawing; NULL: it has not told.';

--
-- Name: style_paces; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.style_paces AS
 SELECT s.id AS style,
    step.name AS step,
    ((s.step_seconds ->> step.name))::double precision AS step_seconds,
        CASE
            WHEN (s.step_seconds <> '{}'::jsonb) THEN public.seconds_at_fal(s.step_seconds, step.name)
            ELSE COALESCE((s.typical_seconds)::double precision, ( SELECT avg(generation_styles.typical_seconds) AS avg
               FROM public.generation_styles))
        END AS held_seconds,
    ((s.typical_seconds - public.seconds_at_fal(s.step_seconds, 'draw'::text)) + public.seconds_at_fal(s.step_seconds, step.name)) AS seconds_to_go
   FROM (public.generation_styles s
     CROSS JOIN ( VALUES ('translate'::text), ('draw'::text), ('cutout'::text)) step(name));

--
-- Name: fal_requests; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.fal_requests AS
 SELECT a.id AS attempt_id,
    a.generation_id,
    g.user_id,
    a.state,
    COALESCE(a.granted_at, a.sent_at) AS began_at,
    GREATEST((pace.step_seconds - (EXTRACT(epoch FROM (now() - COALESCE(a.granted_at, a.sent_at))))::double precision), (0)::double precision) AS seconds_left,
    pace.seconds_to_go
   FROM ((public.attempts a
     CROSS JOIN LATERAL ( SELECT generations.user_id,
            generations.style,
            generations.next_action_at,
            generations.deleted_at
           FROM public.generations
          WHERE (generations.id = a.generation_id)
         OFFSET 0) g)
     JOIN public.style_paces pace ON ((((pace.style)::text = (g.style)::text) AND (pace.step = a.step))))
  WHERE (((a.state = ANY (ARRAY['sent'::text, 'unknown'::text, 'accepted'::text])) OR ((a.state = 'prepared'::text) AND (a.granted_at IS NOT NULL))) AND ((a.state <> 'unknown'::text) OR (a.sent_at > (now() - '00:01:00'::interval))) AND (g.next_action_at IS NOT NULL) AND (g.deleted_at IS NULL));

--
-- Name: fal_turns; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fal_turns (
    user_id uuid NOT NULL,
    last_at timestamp with time zone NOT NULL
);

--
-- Name: TABLE fal_turns; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.fal_turns IS 'When a person''s last turn was, so that turns go round; forgotten soon.';

--
-- Name: fal_line; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.fal_line AS
 SELECT attempt_id,
    generation_id,
    user_id,
    would_hold,
    held_seconds,
    seconds_to_go,
    row_number() OVER (ORDER BY (would_hold + refusals), is_begun DESC, last_turn_at NULLS FIRST, waiting_since, attempt_id) AS place
   FROM ( SELECT a.id AS attempt_id,
            a.generation_id,
            g.user_id,
            (a.step = 'cutout'::text) AS is_begun,
            LEAST(a.polls, 10) AS refusals,
            a.waiting_since,
            ( SELECT fal_turns.last_at
                   FROM public.fal_turns
                  WHERE (fal_turns.user_id = g.user_id)) AS last_turn_at,
            (COALESCE(at_fal.n, (0)::bigint) + row_number() OVER (PARTITION BY g.user_id ORDER BY a.polls, (a.step = 'cutout'::text) DESC, g.created_at, g.id)) AS would_hold,
            pace.held_seconds,
            pace.seconds_to_go
           FROM (((public.attempts a
             CROSS JOIN LATERAL ( SELECT generations.id,
                    generations.user_id,
                    generations.style,
                    generations.created_at,
                    generations.next_action_at,
                    generations.deleted_at
                   FROM public.generations
                  WHERE (generations.id = a.generation_id)
                 OFFSET 0) g)
             JOIN public.style_paces pace ON ((((pace.style)::text = (g.style)::text) AND (pace.step = a.step))))
             LEFT JOIN ( SELECT fal_requests.user_id,
                    count(*) AS n
                   FROM public.fal_requests
                  GROUP BY fal_requests.user_id) at_fal ON ((at_fal.user_id = g.user_id)))
          WHERE ((a.state = 'prepared'::text) AND (a.granted_at IS NULL) AND (a.waiting_since IS NOT NULL) AND (g.next_action_at IS NOT NULL) AND (g.deleted_at IS NULL))) waiting;

--
-- Name: fal_purges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fal_purges (
    attempt_id uuid NOT NULL,
    endpoint text NOT NULL,
    request_id text,
    arguments jsonb,
    sent_at timestamp with time zone NOT NULL,
    is_cancelled boolean DEFAULT false NOT NULL,
    keeps_payload boolean DEFAULT false NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    id bigint NOT NULL
);

--
-- Name: TABLE fal_purges; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.fal_purges IS 'Requests to cancel at Fal, with their copies to remove there; a row goes when it is done.';

--
-- Name: COLUMN fal_purges.request_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_purges.request_id IS 'Null while it is unknown whether Fal ever had the request: then it is looked up.';

--
-- Name: COLUMN fal_purges.arguments; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_purges.arguments IS 'For looking it up, only while there is no request id.';

--
-- Name: COLUMN fal_purges.keeps_payload; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fal_purges.keeps_payload IS 'Only to be cancelled: its person may still see it.';

--
-- Name: fal_purges_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.fal_purges ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.fal_purges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: file_servings; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.file_servings (
    generation_id uuid NOT NULL,
    kind text NOT NULL,
    link_hash bytea NOT NULL,
    served_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT file_servings_kind_known CHECK ((kind = ANY (ARRAY['view'::text, 'download'::text])))
);

--
-- Name: TABLE file_servings; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.file_servings IS 'Links that were counted: one counts once, however often it is fetched. Needed while it lives.';

--
-- Name: uploads; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.uploads (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    object_key text NOT NULL,
    thumbnail_key text NOT NULL,
    file_size bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: generation_documents; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.generation_documents AS
 SELECT g.id,
    g.user_id,
    g.created_at,
    g.version,
    g.state,
    json_strip_nulls(row_to_json(document.*)) AS document
   FROM ((public.generations g
     JOIN public.generation_styles s ON (((s.id)::text = (g.style)::text)))
     CROSS JOIN LATERAL ( SELECT g.id,
                CASE g.state
                    WHEN 'finalizing'::text THEN 'processing'::text
                    WHEN 'reviving'::text THEN 'failed'::text
                    ELSE g.state
                END AS status,
            g.fal_progress AS progress,
                CASE
                    WHEN (g.state = ANY (ARRAY['completed'::text, 'failed'::text, 'reviving'::text])) THEN NULL::text
                    WHEN (g.state = 'queued'::text) THEN 'queued'::text
                    WHEN (g.step = 'draw'::text) THEN 'generating'::text
                    WHEN (g.step = 'translate'::text) THEN 'processing'::text
                    ELSE 'finalizing'::text
                END AS stage,
                CASE
                    WHEN ((g.state = 'processing'::text) AND (g.step = 'draw'::text) AND (g.draw_steps IS NOT NULL)) THEN json_build_object('done', g.draw_step, 'total', g.draw_steps)
                    ELSE NULL::json
                END AS steps,
                CASE
                    WHEN (g.state = 'queued'::text) THEN g.queue_position
                    ELSE NULL::integer
                END AS "queuePosition",
                CASE
                    WHEN (g.state = ANY (ARRAY['completed'::text, 'failed'::text, 'reviving'::text])) THEN NULL::numeric
                    ELSE ceil(NULLIF(GREATEST(EXTRACT(epoch FROM (g.expected_at - now())), (0)::numeric), (0)::numeric))
                END AS "estimatedTimeSeconds",
                CASE
                    WHEN (g.state = ANY (ARRAY['queued'::text, 'processing'::text])) THEN ( SELECT json_build_object('en', gate.pause_reason, 'ar', gate.pause_reason_ar) AS json_build_object
                       FROM public.fal_gate gate
                      WHERE ((gate.paused_at IS NOT NULL) AND (EXISTS ( SELECT
                               FROM public.attempts
                              WHERE ((attempts.generation_id = g.id) AND (attempts.state = 'prepared'::text))))))
                    ELSE NULL::json
                END AS "pauseReason",
            g.version,
            g.prompt,
                CASE
                    WHEN (g.translation = 'done'::text) THEN g.prompt_english
                    ELSE NULL::text
                END AS "promptEnglish",
            g.translation,
            g.style,
            g.aspect_ratio AS "aspectRatio",
            g.input_type AS "inputType",
            g.source_upload_id AS "sourceUploadId",
                CASE
                    WHEN (g.source_upload_id IS NOT NULL) THEN ( SELECT uploads.object_key
                       FROM public.uploads
                      WHERE (uploads.id = g.source_upload_id))
                    ELSE NULL::text
                END AS "sourceImageUrl",
            g.custom_colors AS "customColors",
            (g.seed)::text AS seed,
            g.is_liked AS "isLiked",
            g.parent_id AS "parentId",
                CASE
                    WHEN (g.state = 'completed'::text) THEN ( SELECT row_to_json(result.*) AS row_to_json
                       FROM ( SELECT g.result_image_key AS "imageUrl",
                                g.thumbnail_key AS "thumbnailUrl",
                                g.master_key AS "downloadUrl",
                                g.master_key AS "masterUrl",
                                g.image_dimensions AS dimensions,
                                g.file_size_bytes AS "fileSize",
                                g.transparency) result)
                    ELSE NULL::json
                END AS result,
            g.error_code AS error,
            g.error_code AS "errorCode",
                CASE
                    WHEN (g.error_code IS NOT NULL) THEN ((g.state = 'failed'::text) AND (g.error_code <> ALL (ARRAY['content_policy'::text, 'invalid_request'::text])))
                    ELSE NULL::boolean
                END AS retryable,
            g.created_at AS "createdAt",
            g.completed_at AS "completedAt") document)
  WHERE (g.deleted_at IS NULL);

--
-- Name: idempotency_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency_keys (
    user_id uuid NOT NULL,
    route text NOT NULL,
    key character varying(255) NOT NULL,
    body_hash bytea NOT NULL,
    response json NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: installation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.installation (
    is_only boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    restored_from timestamp with time zone,
    restored_at timestamp with time zone,
    CONSTRAINT installation_is_only_check CHECK (is_only),
    CONSTRAINT installation_restored_whole CHECK (((restored_from IS NULL) = (restored_at IS NULL)))
);

--
-- Name: TABLE installation; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.installation IS 'One row: what this database is called in the note that lies in its storage.';

--
-- Name: COLUMN installation.restored_from; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.installation.restored_from IS 'When the rows were as they were restored. What was unfinished then may have been sent to Fal between this and restored_at.';

--
-- Name: COLUMN installation.restored_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.installation.restored_at IS 'When they were restored; set by madar restore, or by hand after a restore to a point in time.';

--
-- Name: live_tickets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.live_tickets (
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    language text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT live_tickets_language_known CHECK ((language = ANY (ARRAY['en'::text, 'ar'::text])))
);

--
-- Name: TABLE live_tickets; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.live_tickets IS 'Each opens one live connection of its session, once, and soon.';

--
-- Name: COLUMN live_tickets.token_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.live_tickets.token_hash IS 'SHA-256 of the ticket; it is never stored itself.';

--
-- Name: COLUMN live_tickets.language; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.live_tickets.language IS 'That of the request for it: where it is shown, a page can name none.';

--
-- Name: procrastinate_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type public.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
);

--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.procrastinate_events_id_seq OWNED BY public.procrastinate_events.id;

--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.procrastinate_jobs_id_seq OWNED BY public.procrastinate_jobs.id;

--
-- Name: procrastinate_periodic_defers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);

--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.procrastinate_periodic_defers_id_seq OWNED BY public.procrastinate_periodic_defers.id;

--
-- Name: procrastinate_workers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: procrastinate_workers_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: purges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.purges (
    id bigint NOT NULL,
    object_key text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: TABLE purges; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.purges IS 'Objects to remove from storage; a row goes when its object is gone.';

--
-- Name: purges_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.purges ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.purges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: rate_limits; Type: TABLE; Schema: public; Owner: -
--

CREATE UNLOGGED TABLE public.rate_limits (
    key text NOT NULL,
    tat timestamp with time zone NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    is_allowed boolean NOT NULL
)
WITH (fillfactor='70');

--
-- Name: TABLE rate_limits; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.rate_limits IS 'One row for each policy and subject that used some of its limit lately.';

--
-- Name: COLUMN rate_limits.tat; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.rate_limits.tat IS 'Theoretical arrival time of GCRA: by then, all that was taken is earned back.';

--
-- Name: COLUMN rate_limits.is_allowed; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.rate_limits.is_allowed IS 'The answer to the last one who asked, at asked_at: one statement decides and tells.';

--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    ms integer NOT NULL
);

--
-- Name: sign_ins; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sign_ins (
    state_hash bytea NOT NULL,
    browser_hash bytea NOT NULL,
    nonce text NOT NULL,
    code_verifier text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    return_to text DEFAULT ''::text NOT NULL
);

--
-- Name: TABLE sign_ins; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.sign_ins IS 'A sign-in under way at Google; taken out when the browser returns.';

--
-- Name: COLUMN sign_ins.return_to; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.sign_ins.return_to IS 'A path of the frontend; empty for its front door.';

--
-- Name: translations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.translations (
    prompt_hash bytea NOT NULL,
    model text NOT NULL,
    english text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL
);

--
-- Name: COLUMN translations.prompt_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.translations.prompt_hash IS 'SHA-256 of the prompt, composed (NFC) and with single spaces; the prompt is not stored.';

--
-- Name: COLUMN translations.last_used_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.translations.last_used_at IS 'To the day: it is not written at each use.';

--
-- Name: trash_documents; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.trash_documents AS
 SELECT g.id,
    g.user_id,
    g.deleted_at,
    json_strip_nulls(row_to_json(document.*)) AS document
   FROM (public.generations g
     CROSS JOIN LATERAL ( SELECT g.id,
            g.state AS status,
            g.fal_progress AS progress,
            g.version,
            g.prompt,
                CASE
                    WHEN (g.translation = 'done'::text) THEN g.prompt_english
                    ELSE NULL::text
                END AS "promptEnglish",
            g.translation,
            g.style,
            g.aspect_ratio AS "aspectRatio",
            g.input_type AS "inputType",
            g.source_upload_id AS "sourceUploadId",
                CASE
                    WHEN (g.source_upload_id IS NOT NULL) THEN ( SELECT uploads.object_key
                       FROM public.uploads
                      WHERE (uploads.id = g.source_upload_id))
                    ELSE NULL::text
                END AS "sourceImageUrl",
            g.custom_colors AS "customColors",
            (g.seed)::text AS seed,
            g.is_liked AS "isLiked",
            g.parent_id AS "parentId",
            ( SELECT row_to_json(result.*) AS row_to_json
                   FROM ( SELECT ('trash/'::text || g.thumbnail_key) AS "thumbnailUrl",
                            g.image_dimensions AS dimensions,
                            g.file_size_bytes AS "fileSize",
                            g.transparency) result) AS result,
            g.created_at AS "createdAt",
            g.completed_at AS "completedAt",
            g.deleted_at AS "deletedAt",
            g.gone_at AS "goneAt") document)
  WHERE ((g.deleted_at IS NOT NULL) AND (g.gone_at > now()));

--
-- Name: unfinished_generations; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.unfinished_generations AS
 SELECT g.id,
    g.user_id,
    g.style,
    g.step,
        CASE
            WHEN (g.lease_until > now()) THEN 'running'::text
            WHEN (g.next_action_at <= now()) THEN 'queued'::text
            ELSE 'waiting'::text
        END AS state,
        CASE
            WHEN ((g.lease_until > now()) OR (g.next_action_at <= now())) THEN NULL::text
            WHEN (a.state = 'prepared'::text) THEN 'turn'::text
            WHEN (a.state = 'accepted'::text) THEN 'fal'::text
            WHEN (a.state = ANY (ARRAY['sent'::text, 'unknown'::text])) THEN 'proof'::text
            ELSE 'try'::text
        END AS waits_for,
    ((g.stumbles > 0) OR (g.crashes > 0)) AS is_stumbled,
    g.next_action_at,
    g.created_at
   FROM (public.generations g
     LEFT JOIN LATERAL ( SELECT attempts.state
           FROM public.attempts
          WHERE ((attempts.generation_id = g.id) AND (attempts.state = ANY (ARRAY['prepared'::text, 'sent'::text, 'unknown'::text, 'accepted'::text])))
         OFFSET 0) a ON (true))
  WHERE ((g.next_action_at IS NOT NULL) AND (g.deleted_at IS NULL));

--
-- Name: user_sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    session_token bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone DEFAULT (now() + '31 days'::interval) NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    user_agent text,
    CONSTRAINT user_sessions_slide_to_their_end CHECK ((expires_at <= ends_at))
);

--
-- Name: COLUMN user_sessions.session_token; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.user_sessions.session_token IS 'SHA-256 of the token; the token is never stored.';

--
-- Name: COLUMN user_sessions.expires_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.user_sessions.expires_at IS 'Moves on while the session is used, up to ends_at.';

--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    google_id character varying(255) NOT NULL,
    email character varying(255) NOT NULL,
    display_name character varying(255) NOT NULL,
    avatar_url text,
    language character varying(2) DEFAULT 'en'::character varying NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    is_name_chosen boolean DEFAULT false NOT NULL,
    is_language_chosen boolean DEFAULT false NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT users_language_known CHECK (((language)::text = ANY ((ARRAY['en'::character varying, 'ar'::character varying])::text[])))
);

--
-- Name: COLUMN users.google_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.google_id IS 'Google''s sub: the identity. An e-mail may change or repeat.';

--
-- Name: COLUMN users.is_language_chosen; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.is_language_chosen IS 'Chosen in the profile: it then comes before a request''s Accept-Language.';

--
-- Name: COLUMN users.deleted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.deleted_at IS 'Nothing personal is left in the row; it goes when its last object is gone.';

--
-- Name: procrastinate_events id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_events_id_seq'::regclass);

--
-- Name: procrastinate_jobs id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_jobs_id_seq'::regclass);

--
-- Name: procrastinate_periodic_defers id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_periodic_defers_id_seq'::regclass);

--
-- Name: account_deletions account_deletions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account_deletions
    ADD CONSTRAINT account_deletions_pkey PRIMARY KEY (id);

--
-- Name: api_usage api_usage_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_usage
    ADD CONSTRAINT api_usage_pkey PRIMARY KEY (id);

--
-- Name: attempts attempts_number_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_number_key UNIQUE (generation_id, n);

--
-- Name: attempts attempts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (id);

--
-- Name: attempts attempts_request_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_request_key UNIQUE (request_id);

--
-- Name: counters counters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (name);

--
-- Name: deleted_generations deleted_generations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deleted_generations
    ADD CONSTRAINT deleted_generations_pkey PRIMARY KEY (id);

--
-- Name: fal_gate fal_gate_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fal_gate
    ADD CONSTRAINT fal_gate_pkey PRIMARY KEY (is_only);

--
-- Name: fal_purges fal_purges_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fal_purges
    ADD CONSTRAINT fal_purges_pkey PRIMARY KEY (id);

--
-- Name: fal_purges fal_purges_request_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fal_purges
    ADD CONSTRAINT fal_purges_request_key UNIQUE NULLS NOT DISTINCT (attempt_id, request_id);

--
-- Name: fal_turns fal_turns_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fal_turns
    ADD CONSTRAINT fal_turns_pkey PRIMARY KEY (user_id);

--
-- Name: file_servings file_servings_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.file_servings
    ADD CONSTRAINT file_servings_pkey PRIMARY KEY (generation_id, kind, link_hash);

--
-- Name: generation_styles generation_styles_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generation_styles
    ADD CONSTRAINT generation_styles_pkey PRIMARY KEY (id);

--
-- Name: generations generations_fal_job_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_fal_job_key UNIQUE (fal_job_id);

--
-- Name: generations generations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (id);

--
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, route, key);

--
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (is_only);

--
-- Name: live_tickets live_tickets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.live_tickets
    ADD CONSTRAINT live_tickets_pkey PRIMARY KEY (token_hash);

--
-- Name: procrastinate_events procrastinate_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);

--
-- Name: procrastinate_jobs procrastinate_jobs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);

--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);

--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_unique; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);

--
-- Name: procrastinate_workers procrastinate_workers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);

--
-- Name: purges purges_object_key_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.purges
    ADD CONSTRAINT purges_object_key_key UNIQUE (object_key);

--
-- Name: purges purges_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.purges
    ADD CONSTRAINT purges_pkey PRIMARY KEY (id);

--
-- Name: rate_limits rate_limits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (key);

--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

--
-- Name: sign_ins sign_ins_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sign_ins
    ADD CONSTRAINT sign_ins_pkey PRIMARY KEY (state_hash);

--
-- Name: translations translations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.translations
    ADD CONSTRAINT translations_pkey PRIMARY KEY (prompt_hash, model);

--
-- Name: uploads uploads_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (id);

--
-- Name: user_sessions user_sessions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_pkey PRIMARY KEY (id);

--
-- Name: user_sessions user_sessions_session_token_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_session_token_key UNIQUE (session_token);

--
-- Name: users users_google_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_google_id_key UNIQUE (google_id);

--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

--
-- Name: api_usage_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_usage_by_age ON public.api_usage USING btree (created_at);

--
-- Name: api_usage_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_usage_by_user ON public.api_usage USING btree (user_id) WHERE (user_id IS NOT NULL);

--
-- Name: attempts_at_fal; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_at_fal ON public.attempts USING btree (sent_at) WHERE ((state = ANY (ARRAY['sent'::text, 'unknown'::text, 'accepted'::text])) OR ((state = 'prepared'::text) AND (granted_at IS NOT NULL)));

--
-- Name: attempts_in_line; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_in_line ON public.attempts USING btree (waiting_since) WHERE ((state = 'prepared'::text) AND (granted_at IS NULL) AND (waiting_since IS NOT NULL));

--
-- Name: attempts_one_live; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX attempts_one_live ON public.attempts USING btree (generation_id) WHERE (state = ANY (ARRAY['prepared'::text, 'sent'::text, 'unknown'::text, 'accepted'::text]));

--
-- Name: deleted_generations_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deleted_generations_by_age ON public.deleted_generations USING btree (deleted_at);

--
-- Name: deleted_generations_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deleted_generations_by_user ON public.deleted_generations USING btree (user_id, deleted_at);

--
-- Name: fal_purges_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fal_purges_due ON public.fal_purges USING btree (due_at);

--
-- Name: file_servings_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX file_servings_by_age ON public.file_servings USING btree (served_at);

--
-- Name: generations_by_master_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_master_key ON public.generations USING btree (master_key text_pattern_ops) WHERE (master_key IS NOT NULL);

--
-- Name: generations_by_parent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_parent ON public.generations USING btree (parent_id) WHERE (parent_id IS NOT NULL);

--
-- Name: generations_by_result_image_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_result_image_key ON public.generations USING btree (result_image_key text_pattern_ops) WHERE (result_image_key IS NOT NULL);

--
-- Name: generations_by_source; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_source ON public.generations USING btree (source_upload_id) WHERE (source_upload_id IS NOT NULL);

--
-- Name: generations_by_style_done; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_style_done ON public.generations USING btree (style, completed_at DESC) WHERE (state = 'completed'::text);

--
-- Name: generations_by_thumbnail_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_thumbnail_key ON public.generations USING btree (thumbnail_key text_pattern_ops) WHERE (thumbnail_key IS NOT NULL);

--
-- Name: generations_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_user ON public.generations USING btree (user_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);

--
-- Name: generations_by_user_changed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_user_changed ON public.generations USING btree (user_id, updated_at);

--
-- Name: generations_by_user_style; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_user_style ON public.generations USING btree (user_id, style, created_at DESC) WHERE (deleted_at IS NULL);

--
-- Name: generations_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_by_words ON public.generations USING gin (prompt_search);

--
-- Name: generations_deleted; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_deleted ON public.generations USING btree (user_id, created_at) WHERE (deleted_at IS NOT NULL);

--
-- Name: generations_deleted_by_thumbnail; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_deleted_by_thumbnail ON public.generations USING btree (thumbnail_key) WHERE (deleted_at IS NOT NULL);

--
-- Name: generations_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_due ON public.generations USING btree (next_action_at) WHERE (next_action_at IS NOT NULL);

--
-- Name: generations_in_trash; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_in_trash ON public.generations USING btree (user_id, deleted_at DESC, id DESC) WHERE ((deleted_at IS NOT NULL) AND (gone_at IS NOT NULL));

--
-- Name: generations_leaving_trash; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_leaving_trash ON public.generations USING btree (gone_at) WHERE ((deleted_at IS NOT NULL) AND (gone_at IS NOT NULL));

--
-- Name: generations_liked; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_liked ON public.generations USING btree (user_id, created_at DESC) WHERE (is_liked AND (deleted_at IS NULL));

--
-- Name: generations_unfinished; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX generations_unfinished ON public.generations USING btree (user_id) WHERE ((deleted_at IS NULL) AND (state = ANY (ARRAY['queued'::text, 'processing'::text, 'finalizing'::text])));

--
-- Name: idempotency_keys_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (created_at);

--
-- Name: idx_procrastinate_jobs_worker_not_null; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON public.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::public.procrastinate_job_status));

--
-- Name: idx_procrastinate_workers_last_heartbeat; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON public.procrastinate_workers USING btree (last_heartbeat);

--
-- Name: live_tickets_by_session; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX live_tickets_by_session ON public.live_tickets USING btree (session_id, expires_at);

--
-- Name: procrastinate_events_job_id_fkey_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON public.procrastinate_events USING btree (job_id);

--
-- Name: procrastinate_jobs_id_lock_idx_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON public.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::public.procrastinate_job_status, 'doing'::public.procrastinate_job_status]));

--
-- Name: procrastinate_jobs_lock_idx_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON public.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::public.procrastinate_job_status);

--
-- Name: procrastinate_jobs_priority_idx_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON public.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::public.procrastinate_job_status);

--
-- Name: procrastinate_jobs_queue_name_idx_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON public.procrastinate_jobs USING btree (queue_name);

--
-- Name: procrastinate_jobs_queueing_lock_idx_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON public.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::public.procrastinate_job_status);

--
-- Name: procrastinate_periodic_defers_job_id_fkey_v1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON public.procrastinate_periodic_defers USING btree (job_id);

--
-- Name: purges_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX purges_due ON public.purges USING btree (due_at);

--
-- Name: sign_ins_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sign_ins_by_expiry ON public.sign_ins USING btree (expires_at);

--
-- Name: translations_by_last_use; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX translations_by_last_use ON public.translations USING btree (last_used_at);

--
-- Name: uploads_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX uploads_by_age ON public.uploads USING btree (created_at);

--
-- Name: uploads_by_object_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX uploads_by_object_key ON public.uploads USING btree (object_key text_pattern_ops);

--
-- Name: uploads_by_thumbnail_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX uploads_by_thumbnail_key ON public.uploads USING btree (thumbnail_key text_pattern_ops);

--
-- Name: uploads_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX uploads_by_user ON public.uploads USING btree (user_id, created_at DESC);

--
-- Name: user_sessions_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX user_sessions_by_expiry ON public.user_sessions USING btree (expires_at);

--
-- Name: user_sessions_by_user; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX user_sessions_by_user ON public.user_sessions USING btree (user_id);

--
-- Name: users_by_email; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX users_by_email ON public.users USING btree (email);

--
-- Name: users_deleted; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX users_deleted ON public.users USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

--
-- Name: generations generations_keep_trashed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER generations_keep_trashed BEFORE DELETE ON public.generations FOR EACH ROW WHEN (((old.deleted_at IS NOT NULL) AND (old.gone_at > now()))) EXECUTE FUNCTION public.keep_trashed_generation();

--
-- Name: generations generations_remember_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER generations_remember_deleted AFTER DELETE ON public.generations REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.remember_deleted_generations();

--
-- Name: procrastinate_jobs procrastinate_jobs_notify_queue_job_aborted_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_notify_queue_abort_job_v1();

--
-- Name: procrastinate_jobs procrastinate_jobs_notify_queue_job_inserted_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_notify_queue_job_inserted_v1();

ALTER TABLE public.procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;

--
-- Name: procrastinate_jobs procrastinate_trigger_abort_requested_events_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1();

--
-- Name: procrastinate_jobs procrastinate_trigger_delete_jobs_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_unlink_periodic_defers_v1();

--
-- Name: procrastinate_jobs procrastinate_trigger_scheduled_events_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON public.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1();

--
-- Name: procrastinate_jobs procrastinate_trigger_status_events_insert_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1();

--
-- Name: procrastinate_jobs procrastinate_trigger_status_events_update_v1; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_update_v1();

--
-- Name: api_usage api_usage_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_usage
    ADD CONSTRAINT api_usage_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;

--
-- Name: attempts attempts_generation_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_generation_fkey FOREIGN KEY (generation_id) REFERENCES public.generations(id) ON DELETE CASCADE;

--
-- Name: deleted_generations deleted_generations_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deleted_generations
    ADD CONSTRAINT deleted_generations_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: file_servings file_servings_generation_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.file_servings
    ADD CONSTRAINT file_servings_generation_fkey FOREIGN KEY (generation_id) REFERENCES public.generations(id) ON DELETE CASCADE;

--
-- Name: generations generations_parent_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_parent_fkey FOREIGN KEY (parent_id) REFERENCES public.generations(id) ON DELETE SET NULL;

--
-- Name: generations generations_source_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_source_fkey FOREIGN KEY (source_upload_id) REFERENCES public.uploads(id);

--
-- Name: generations generations_style_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_style_fkey FOREIGN KEY (style) REFERENCES public.generation_styles(id);

--
-- Name: generations generations_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.generations
    ADD CONSTRAINT generations_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: idempotency_keys idempotency_keys_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: live_tickets live_tickets_session_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.live_tickets
    ADD CONSTRAINT live_tickets_session_fkey FOREIGN KEY (session_id) REFERENCES public.user_sessions(id) ON DELETE CASCADE;

--
-- Name: procrastinate_events procrastinate_events_job_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id) ON DELETE CASCADE;

--
-- Name: procrastinate_jobs procrastinate_jobs_worker_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.procrastinate_workers(id) ON DELETE SET NULL;

--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_job_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id);

--
-- Name: uploads uploads_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: user_sessions user_sessions_user_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_user_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- PostgreSQL database dump complete
--
