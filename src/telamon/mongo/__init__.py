"""Everything that talks to a mongod or runs one: the only user of PyMongo."""
