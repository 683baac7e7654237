#!/bin/sh
# What a device does that knows no POST: get.sh ROOM TEXT
KEY=bk_idHyMF7RLWpRoNt_1dZi1jUPCaLnLWMXqaxiBl2FEaY
curl -sS -G --data-urlencode "key=$KEY" --data-urlencode "room=$1" --data-urlencode "text=$2" "${SERVER:-http://127.0.0.1:8080}/push"
