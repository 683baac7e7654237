#!/bin/sh
# What any program does: publish by HTTP, with the common key. push.sh ROOM JSON
KEY=bk_lvPsIOeBwrH3xUPyWs2b8OW8ol2MhZ8XTo3FS-bPGQc
curl -sS -H "Authorization: Bearer $KEY" -d "{\"room\":\"$1\",\"data\":$2}" "${SERVER:-http://127.0.0.1:8080}/publish"
