DROP TABLE installation;
DROP TABLE token_families;
DROP TABLE users;
