#!/bin/sh
# The same as publish.php, for a shell.
redis-cli -p "${REDIS_PORT:-6390}" PUBLISH channel "${1:-hello from a shell}"
