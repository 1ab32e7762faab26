-- 100,000 videos of 2,000 channels. Words are made of syllables, and as unevenly common as those of a language.
CREATE FUNCTION pg_temp.word(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT s[1 + n * 7 % 25] || s[1 + n / 25 % 25] || s[1 + n / 625 % 25] || s[1 + (n * 11 + 3) % 25]
    FROM (VALUES ('{ba,ce,di,fo,gu,ha,je,ki,lo,mu,na,pe,qui,ro,su,ta,ve,wi,xa,yo,zu,bran,cres,trim,plon}'::text[])) v(s)
$$;
CREATE FUNCTION pg_temp.some_word() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT pg_temp.word((20000 ^ random())::int - 1)
$$;
SELECT setseed(0.5);
CREATE TEMP TABLE lines AS
    SELECT i, string_agg(pg_temp.word((20000 ^ random())::int - 1 + 0 * k), ' ') AS line
    FROM generate_series(0, 9999) i, generate_series(1, 4 + i % 9) k GROUP BY i;
CREATE UNIQUE INDEX ON lines (i);
ANALYZE lines;

INSERT INTO users (id, username, password_hash, roles)
    SELECT gen_random_uuid(), pg_temp.word(i * 9) || '_' || i, '', '{}' FROM generate_series(1, 2000) i;
INSERT INTO channels (user_id, name, videos) SELECT id, username, 50 FROM users;

-- What a bulk load does: no trigger a row, and the large indexes last, as the migration defines them.
ALTER TABLE videos DISABLE TRIGGER USER;
CREATE TEMP TABLE definitions AS
    SELECT indexname, indexdef FROM pg_indexes WHERE indexname IN ('videos_title_words_idx', 'videos_words_idx');
DROP INDEX videos_title_words_idx, videos_words_idx;
-- 30% of the titles have `the garden`, nearly all descriptions `subscribe today`; one description in 50 is long.
INSERT INTO videos (id, hash, channel_id, title, description, file_id, thumbnail_id, uploaded_at)
    SELECT gen_random_uuid(), lpad(to_hex(i), 7, '0'), c.user_id,
        concat_ws(' ', pg_temp.some_word(), pg_temp.some_word(), pg_temp.word(i % 20000),
            CASE WHEN i % 10 < 3 THEN 'the garden' END),
        d.text, gen_random_uuid(), gen_random_uuid(), now() - i * interval '1 minute'
    FROM generate_series(1, 100000) i
    JOIN (SELECT user_id, row_number() OVER () AS n FROM channels) c ON c.n = 1 + i % 2000
    CROSS JOIN LATERAL (
        SELECT string_agg(line, ' subscribe today ') AS text FROM lines WHERE lines.i IN (
            SELECT (i * 7919 + k * 104729) % 10000
            FROM generate_series(1, CASE WHEN i % 50 = 0 THEN 80 ELSE 2 + i % 4 END) k
        )
    ) d;
UPDATE videos SET title = 'Casablanca' WHERE hash = lpad(to_hex(77777), 7, '0');
UPDATE videos SET title = 'A walk', description = 'With zebrafish' WHERE hash = lpad(to_hex(77778), 7, '0');
DO $$
DECLARE definition text;
BEGIN
    FOR definition IN SELECT indexdef FROM definitions LOOP
        EXECUTE definition;
    END LOOP;
END
$$;
INSERT INTO vocabulary
    SELECT DISTINCT w.word FROM (
        SELECT line AS text FROM lines
        UNION ALL SELECT title FROM videos
        UNION ALL VALUES ('with zebrafish subscribe today')
    ) t, unnest(tsvector_to_array(to_tsvector('simple', text))) AS w(word);
ALTER TABLE videos ENABLE TRIGGER USER;
ANALYZE;
