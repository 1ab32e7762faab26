DROP TABLE password_resets;
DROP TABLE reactions;
DROP TABLE videos;
DROP TABLE vocabulary;
DROP TABLE channels;
DROP FUNCTION count_reactions();
DROP FUNCTION count_videos();
DROP FUNCTION learn_words();
ALTER TABLE users DROP CONSTRAINT users_id_username_key;
