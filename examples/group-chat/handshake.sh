#!/bin/sh
# The handshake as it was captured, with the token in the path, a cookie and an offer to
# compress: handshake.sh USER:PASSWORD. It shows what the server answers, and hangs up.
SERVER=${SERVER:-http://127.0.0.1:8080}
TOKEN=$(curl -sS -u "$1" -X POST "${PAGE:-http://127.0.0.1:8000}/token" | tr -d '"')
curl -siN --http1.1 --max-time "${SECONDS_TO_WAIT:-1}" "$SERVER/ws/chat/haibo/$TOKEN/" \
  -H 'Upgrade: websocket' -H 'Connection: Upgrade' -H 'Sec-WebSocket-Version: 13' \
  -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
  -H 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits' \
  -H 'Cookie: csrftoken=b6bK; sessionid=k3xq' | head -8 | tr -d '\r\000'
