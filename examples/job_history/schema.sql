-- For MariaDB and MySQL. Further columns can be added here, and named in eventsd.conf.

CREATE TABLE cmd_hist (
  id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  jid      VARCHAR(64)     NOT NULL,
  date     DATETIME(6)     NOT NULL,
  user     VARCHAR(255),
  fun      VARCHAR(255),
  arg      LONGTEXT,
  tgt      LONGTEXT,
  tgt_type VARCHAR(32),
  UNIQUE KEY cmd_hist_jid (jid),
  KEY cmd_hist_date (date)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE returns (
  id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  jid      VARCHAR(64)     NOT NULL,
  rec_date DATETIME(6)     NOT NULL,
  srv_id   VARCHAR(191)    NOT NULL,
  fun      VARCHAR(255),
  retcode  BIGINT,
  success  BOOLEAN,
  returns  LONGTEXT,
  UNIQUE KEY returns_jid_srv_id (jid, srv_id),
  KEY returns_srv_id (srv_id, rec_date)
) DEFAULT CHARACTER SET utf8mb4;
