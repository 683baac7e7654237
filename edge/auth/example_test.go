package auth_test

import (
	"context"
	"fmt"
	"time"

	"barrage/edge/auth"
)

// A backend makes a token, a node verifies it.
func Example() {
	secret := []byte("at least 32 bytes of real chance")
	key, err := auth.SecretKey(secret)
	if err != nil {
		panic(err)
	}
	token, err := auth.Sign(auth.Claims{Identity: auth.Identity{
		User: "alice", Rooms: auth.Patterns{"live:*"}, Publish: auth.Patterns{"*"}, Direct: auth.Patterns{"bob"}, Expires: time.Now().Add(time.Hour),
	}}, key)
	if err != nil {
		panic(err)
	}

	v, err := auth.New(auth.Config{Secrets: [][]byte{secret}})
	if err != nil {
		panic(err)
	}
	defer v.Close()
	id, err := v.Verify(context.Background(), token)
	if err != nil {
		panic(err)
	}
	fmt.Println(id.User, id.Rights().MayJoin(id.User, "live:1"), id.Rights().MayJoin(id.User, "lobby"), id.Rights().MayJoin(id.User, "user:alice"), id.Rights().MayPublish("user:bob"), id.Rights().MayPublish("user:eve"))
	// Output: alice true false true true false
}
