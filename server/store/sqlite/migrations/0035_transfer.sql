-- Records that move to another village, in the village that they leave: entered is 0 until they are there, done until they have left.
CREATE TABLE transfer(village_id TEXT NOT NULL, transfer_id TEXT NOT NULL, record_id TEXT NOT NULL, to_id TEXT NOT NULL, login TEXT NOT NULL, reason TEXT NOT NULL,
  begun BIGINT NOT NULL, entered BIGINT NOT NULL, done BIGINT NOT NULL, records BIGINT NOT NULL, PRIMARY KEY(village_id, transfer_id));
CREATE INDEX transfer_open ON transfer(village_id) WHERE done = 0;
CREATE INDEX transfer_record ON transfer(village_id, record_id);
