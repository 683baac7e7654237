#!/bin/sh
# What the old till does: refresh.sh MERCHANT, by HTTP. It is answered with "success".
curl -sS "${PAGE:-http://127.0.0.1:8000}/refresh?merchantId=$1"
