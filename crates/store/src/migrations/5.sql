-- Records of a list that comes in stand beside those of the list there is, under a version of their own, until
-- the row in `list` says that version.

DROP INDEX record_tag;
CREATE UNIQUE INDEX record_tag ON record (kind, version, tag);
CREATE INDEX record_line ON record (kind, version, line);
