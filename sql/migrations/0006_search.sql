-- Search in the prompts: one vector a generation, English and Arabic, and the index over it.
-- It writes the table anew, about 100 s for a million rows. Whoever changes what search_document
-- makes of a prompt has to do the same; search_word and search_query may change at any time.
-- migrate:up

-- Whole words, except those that say nothing in English; these still count as steps in a phrase.
CREATE TEXT SEARCH DICTIONARY whole_words (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION whole_words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION whole_words
    ALTER MAPPING FOR asciiword, word, numword WITH whole_words;

-- What the different ways to write a word have in common. NFKD takes letters apart, so dropping
-- the marks (with tatweel and whatever has no width) makes ا of أ إ آ, و of ؤ, ي of ئ, e of é.
-- Of the signs " and - are left: they mean something in a query.
CREATE FUNCTION fold_words(words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(replace(replace(translate(translate(lower(regexp_replace(
    normalize(words, NFKD),
    '[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed'
    '\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+', '', 'g')),
    'ٱىیےکةۃہھە٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹øłđıħء',
    'ايييكههههه01234567890123456789oldih'),
    '“”„«»‐‑−' || E'\t\n\r!#$%&''()*+,./:;<=>?@[\\]^_`{|}~،؛؟۔٪٫٬‘’–—',
    '"""""---' || repeat(' ', 50)),
    'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');

-- What is left of Arabic words without plural, dual, possessive and feminine endings; those that
-- are written to a ت may be or may replace a ة.
CREATE FUNCTION without_endings(words text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (to_tsvector('public.whole_words', regexp_replace(words,
            '([^ ]{3})(?:ات|ون|ين|ان|ها|هم|هن|نا|كم|يه|ا|ك)(?= |$)|([^ ]{2})(?:ه|ي)(?= |$)',
            '\1\2', 'g'))::text || ' '
        || to_tsvector('public.whole_words', regexp_replace(words,
            '([^ ]{2})ت(?:ان|ين|ها|هم|هن|نا|كم|ه|ي|ك)(?= |$)', '\1', 'g'))::text)::tsvector;

-- Every form under which a prompt can be found, all at the position of their word. A: as written,
-- and without the article. B: without what else may be a small word written to the next one (and,
-- with, for). C: without an ending. D: both, and the Arabic stem, which guesses too.
CREATE FUNCTION search_document(prompt text) RETURNS tsvector
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

-- For a query: one folded word as `'form' | 'form'`. Two words match when they share a form, but
-- a guess never meets a guess: فستان and بستان are not both ستان. Beside its own forms there are
-- those that differ inside the word (قلب and قلوب, أحمر and حمراء), as patterns: `shape` is LIKE's,
-- a digit of `others` is the letter at that place. What is no word is in no prompt.
CREATE FUNCTION search_word(word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH form AS (
        SELECT lexeme AS word, weights[1] AS weight
          FROM unnest(search_document(word))
    ), pattern (shape, others) AS (VALUES
        -- One, and more of it.
        ('__', '122 ا12ا'),
        ('___', 'ا12ا3 12و3'),
        ('_ا_', 'ا1وا3 1ي3ان'),
        ('____', '12ا34'),
        ('_ا__', '1وا34 134ا 134ان'),
        ('_اي_', '1يو4'),
        ('__ا_', '12اي4 ا124ه 124ان 12ا2ي4'),
        ('__و_', '124 ا124ه 12ا2ي4'),
        ('__ي_', '12ا4 124ا 124ان ا124ا ا124ه 12ا2ي4'),
        ('__ي', '12ايا'),
        ('___ا', '12ا3ي'),
        ('___ا_', '12ا3ي5'),
        ('___و_', '12ا3ي5'),
        ('___ي_', '12ا3ي5'),
        ('_ا_و_', '1وا3ي5'),
        ('_ا_ي_', '1وا3ي5'),
        -- More, and one of it.
        ('ا__ا', '23'),
        ('ا__ا_', '235 235ه'),
        ('ا_وا_', '2ا5'),
        ('ا___ه', '23ا4 23و4 23ي4'),
        ('ا___ا', '23ي4'),
        ('_ي_ان', '1ا3'),
        ('___ان', '12ا3 12ي3 1ا23'),
        ('___ا', '1ا23 12ي3'),
        ('__ا_', '12ي4'),
        ('__و_', '1اي4 124ه'),
        ('__ا__', '1245 1245ه'),
        ('_وا__', '1ا45 1ا45ه'),
        ('__اي_', '12ا5ه 12ي5ه'),
        ('__ايا', '12يه'),
        ('__ا_ي', '124ا'),
        ('__ا_ي_', '124ا6 124و6 124ي6 12ا6 12و6 12ي6'),
        ('_وا_ي_', '1ا4و6 1ا4ي6'),
        -- A colour, of him and of her.
        ('ا___', '234ا'),
        ('___ا', 'ا123')
    ), irregular (one, other) AS (VALUES
        -- Where the pattern would join what has nothing in common, such as مطر and مطار.
        ('كتاب', 'كتب'), ('كلب', 'كلاب'), ('جبل', 'جبال'), ('رجل', 'رجال'), ('بحر', 'بحار'),
        ('حبل', 'حبال'), ('سهم', 'سهام'), ('قلعه', 'قلاع'), ('ثوب', 'ثياب'), ('ريح', 'رياح'),
        ('طريق', 'طرق'), ('مدينه', 'مدن'), ('سفينه', 'سفن'), ('امراه', 'نسا'), ('ابيض', 'بيضا'),
        ('man', 'men'), ('woman', 'women'), ('child', 'children'), ('person', 'people'),
        ('foot', 'feet'), ('tooth', 'teeth'), ('goose', 'geese'), ('mouse', 'mice'),
        ('leaf', 'leaves'), ('wolf', 'wolves'), ('knife', 'knives'), ('color', 'colour'),
        ('gray', 'grey')
    ), found AS (
        SELECT quote_literal(form.word)
               || CASE weight WHEN 'A' THEN ':ABC' WHEN 'B' THEN ':A' WHEN 'C' THEN '' ELSE ':AC' END
               AS term
          FROM form
         UNION
        SELECT quote_literal(left(form.word, 2))  -- قطط
          FROM form
         WHERE form.word ~ '^[^ ](.)\1$'
         UNION
        SELECT quote_literal(lexeme) || ':ABC'
          FROM form
          JOIN irregular ON form.word IN (one, other)
         CROSS JOIN unnest(search_document(CASE form.word WHEN one THEN other ELSE one END))
         UNION
        SELECT quote_literal(translate(other, '123456', form.word)) || ':AB'
          FROM form
          JOIN pattern ON form.word LIKE pattern.shape
         CROSS JOIN string_to_table(pattern.others, ' ') AS other
         WHERE form.word ~ '^[\u0621-\u064a]+$'
           AND weight IN ('A', 'C')
           -- Lions, but nearly always the colour black.
           AND (translate(other, '123456', form.word) <> 'اسود' OR form.word = 'سودا')
    )
    SELECT string_agg(term, ' | ')
      FROM found;
END;

-- What somebody typed, in the language of websearch_to_tsquery: words, "a phrase", or, -without.
-- Never raises; empty when there is nothing to look for.
CREATE FUNCTION search_query(typed text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH folded AS (
        -- A hyphen means "without" only before a word; أو says or.
        SELECT regexp_replace(regexp_replace(fold_words(typed),
                   '([^ ])-+|-+(?=[ -]|$)', '\1 ', 'g'),
                   '(^| )او(?= |$)', '\1or', 'g') AS words
    )
    -- In the text of a tsquery every second part is a word; a folded one holds no quotation mark.
    SELECT coalesce(string_agg(
               CASE WHEN n % 2 = 1 THEN part ELSE '(' || search_word(part) || ')' END,
               '' ORDER BY n), '')::tsquery
      FROM folded
     CROSS JOIN string_to_table(websearch_to_tsquery('whole_words', words)::text, '''')
                WITH ORDINALITY AS parts (part, n);
END;

ALTER TABLE generations
    ADD COLUMN prompt_search tsvector NOT NULL
        GENERATED ALWAYS AS (search_document(prompt)) STORED;
CREATE INDEX generations_by_words ON generations USING gin (prompt_search);

-- migrate:down
