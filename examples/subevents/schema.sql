-- For MariaDB and MySQL. eventsd_returns is made by the engine.

CREATE TABLE raid_state (
  servername VARCHAR(191) NOT NULL PRIMARY KEY,
  state      LONGTEXT,
  checked    DATETIME(6)  NOT NULL
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE mail_queue (
  servername VARCHAR(191) NOT NULL PRIMARY KEY,
  queued     INT,
  most       INT,
  checks     INT          NOT NULL,
  checked    DATETIME(6)  NOT NULL
) DEFAULT CHARACTER SET utf8mb4;
