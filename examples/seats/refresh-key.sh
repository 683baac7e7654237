#!/bin/sh
# What a till does that calls the server itself, on the port of the pages: refresh-key.sh MERCHANT
curl -sS "${SERVER:-http://127.0.0.1:8080}/push?key=bk_b_eJseka41U17L_bvYRs0GDWeZwyCFq7aJcKUmAD_MU&room=merchantId_$1&text=refresh"
