#!/bin/sh
# What the new till does: refresh-redis.sh MERCHANT, by Redis.
redis-cli -p "${REDIS_PORT:-6390}" PUBLISH "refresh_$1" refresh
