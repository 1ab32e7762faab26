-- The statement of `search.rs`, which says what it finds and in which order.
-- $1 the query, $2 'all', 'channel' or 'video', $3 rows at most, $4 rows to leave out.
-- `(SELECT … FROM asked)` hides from the planner how common the words are: for the commonest it would read the whole
-- table. `LATERAL` with `LIMIT` or `OFFSET 0` keeps it on an index where few rows are looked up.
WITH lexemes AS MATERIALIZED (
    SELECT lexeme, array_to_tsvector(ARRAY[lexeme])::text AS quoted,
        row_number() OVER (ORDER BY positions[array_upper(positions, 1)] DESC) = 1 AS last
    FROM unnest(to_tsvector('simple', $1))
    -- What is one word between spaces can be many here.
    ORDER BY positions[1] LIMIT 8
),
asked AS MATERIALIZED (
    SELECT lower($1) AS line, $3 + $4 AS wanted, string_agg(quoted, ' & ')::tsquery AS words,
        -- The last word may be unfinished; two letters begin too many words.
        string_agg(quoted || CASE WHEN last AND length(lexeme) > 2 THEN ':*' ELSE '' END, ' & ')::tsquery AS beginnings
    FROM lexemes
),
-- Videos whose title is the query.
same AS MATERIALIZED (
    SELECT id, uploaded_at, 8.0 AS score FROM videos
    WHERE $2 <> 'channel' AND uploaded_at IS NOT NULL AND left(lower(title), 100) = (SELECT line FROM asked)
    ORDER BY uploaded_at DESC LIMIT 100
),
-- All words are in the title.
newest AS MATERIALIZED (
    SELECT id, uploaded_at, title FROM videos
    WHERE $2 <> 'channel' AND uploaded_at IS NOT NULL AND (SELECT words FROM asked) IS NOT NULL
    ORDER BY uploaded_at DESC, id DESC LIMIT 200
),
found_titled AS MATERIALIZED (
    (SELECT id, uploaded_at, title FROM videos
    WHERE $2 <> 'channel' AND uploaded_at IS NOT NULL
        AND to_tsvector('simple', title) @@ (SELECT words FROM asked)
    LIMIT 300)
    UNION
    SELECT id, uploaded_at, title FROM newest WHERE to_tsvector('simple', title) @@ (SELECT words FROM asked)
),
titled AS (
    SELECT id, uploaded_at, 6.0 + ts_rank(to_tsvector('simple', title), (SELECT words FROM asked), 2) AS score
    FROM found_titled
),
-- All words are in the title, the last as the beginning of one.
begun AS MATERIALIZED (
    SELECT id, uploaded_at, 4.0 + ts_rank(to_tsvector('simple', title), (SELECT beginnings FROM asked), 2) AS score
    FROM videos
    WHERE $2 <> 'channel' AND uploaded_at IS NOT NULL
        AND to_tsvector('simple', title) @@ (SELECT beginnings FROM asked)
        AND (SELECT count(*) FROM found_titled) < (SELECT wanted FROM asked)
    LIMIT 100
),
-- All words are in title and description together.
described AS MATERIALIZED (
    SELECT id, uploaded_at,
        -- A long text costs as much to rank as to search: what it says first decides.
        3.0 + ts_rank(to_tsvector('simple', title || ' ' || left(description, 300)), (SELECT words FROM asked), 2)
            AS score
    FROM videos
    WHERE $2 <> 'channel' AND uploaded_at IS NOT NULL
        AND to_tsvector('simple', title || ' ' || description) @@ (SELECT words FROM asked)
        AND (SELECT count(*) FROM found_titled) + (SELECT count(*) FROM begun) < (SELECT wanted FROM asked)
    LIMIT 100
),
-- For each word: itself, the words most like it, and those with two neighbouring letters in the right order.
spelled AS MATERIALIZED (
    SELECT a.lexeme, n.word
    FROM lexemes a CROSS JOIN LATERAL (
        SELECT a.lexeme AS word
        UNION
        (SELECT v.word FROM vocabulary v
        WHERE v.word % a.lexeme AND abs(length(v.word) - length(a.lexeme)) <= 2 AND length(a.lexeme) BETWEEN 3 AND 32
        ORDER BY similarity(v.word, a.lexeme) DESC, v.word LIMIT 3)
        UNION
        SELECT v.word FROM generate_series(1, least(length(a.lexeme), 32) - 1) AS at CROSS JOIN LATERAL (
            SELECT word FROM vocabulary
            WHERE word = overlay(a.lexeme PLACING reverse(substr(a.lexeme, at, 2)) FROM at FOR 2) OFFSET 0
        ) v
    ) n
    WHERE $2 <> 'channel' AND (SELECT count(*) FROM found_titled) + (SELECT count(*) FROM begun)
        + (SELECT count(*) FROM described) < (SELECT wanted FROM asked)
),
corrected AS MATERIALIZED (
    SELECT string_agg(spellings, ' & ')::tsquery AS words
    FROM (SELECT '(' || string_agg(array_to_tsvector(ARRAY[word])::text, ' | ') || ')' AS spellings
        FROM spelled GROUP BY lexeme) s
),
mistyped_titled AS MATERIALIZED (
    SELECT id, uploaded_at,
        2.0 + 0.6 * word_similarity(line, lower(title)) + 0.3 * similarity(line, lower(title)) AS score
    FROM videos CROSS JOIN LATERAL (SELECT line FROM asked) a
    WHERE uploaded_at IS NOT NULL AND to_tsvector('simple', title) @@ (SELECT words FROM corrected)
    LIMIT 100
),
mistyped_described AS MATERIALIZED (
    SELECT id, uploaded_at, 1.0 AS score FROM videos
    WHERE uploaded_at IS NOT NULL
        AND to_tsvector('simple', title || ' ' || description) @@ (SELECT words FROM corrected)
        AND (SELECT count(*) FROM mistyped_titled) < (SELECT wanted FROM asked)
    LIMIT 100
),
-- Names: the query itself, then those that begin with it or have it as a word, then those like it.
named AS MATERIALIZED (
    SELECT user_id AS id, created_at AS uploaded_at, 9.0 AS score FROM channels
    WHERE $2 <> 'video' AND lower(name) = (SELECT line FROM asked)
    UNION ALL
    (SELECT user_id, created_at,
        CASE WHEN starts_with(lower(name), line) OR word_similarity(line, lower(name)) = 1 THEN 5.0 ELSE 1.9 END
            + 0.9 * similarity(lower(name), line)
    FROM channels CROSS JOIN LATERAL (SELECT line FROM asked) a
    WHERE $2 <> 'video'
        AND (lower(name) % (SELECT line FROM asked) OR (SELECT line FROM asked) <% lower(name))
    LIMIT 200)
),
best AS MATERIALIZED (
    SELECT kind, id, max(score)::float8 AS score, max(uploaded_at) AS at
    FROM (
        SELECT 'video' AS kind, * FROM same
        UNION ALL SELECT 'video', * FROM titled
        UNION ALL SELECT 'video', * FROM begun
        UNION ALL SELECT 'video', * FROM described
        UNION ALL SELECT 'video', * FROM mistyped_titled
        UNION ALL SELECT 'video', * FROM mistyped_described
        UNION ALL SELECT 'channel', * FROM named
    ) every
    GROUP BY kind, id
    ORDER BY score DESC, at DESC, id LIMIT $3 OFFSET $4
)
SELECT b.kind, f.* FROM best b CROSS JOIN LATERAL (
    SELECT c.name AS channel, v.title, v.hash, c.videos, v.description, v.uploaded_at
    FROM videos v CROSS JOIN LATERAL (SELECT * FROM channels WHERE user_id = v.channel_id OFFSET 0) c
    WHERE b.kind = 'video' AND v.id = b.id
    UNION ALL
    SELECT c.name, '', coalesce(v.hash, ''), c.videos, '', NULL
    FROM channels c LEFT JOIN LATERAL (
        SELECT hash FROM videos WHERE channel_id = c.user_id AND uploaded_at IS NOT NULL
        ORDER BY uploaded_at DESC, id DESC LIMIT 1
    ) v ON TRUE
    WHERE b.kind = 'channel' AND c.user_id = b.id
) f
ORDER BY b.score DESC, b.at DESC, b.id
