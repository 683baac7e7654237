package main

// What the server fetches, tells and asks over HTTP goes through the proxy that the
// environment names, whatever it is.

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// TestProxy: none of these hosts exists, so that what does not go through the proxy
// comes to nothing.
func TestProxy(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]bool{} // guarded by mu
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Host] = true
		mu.Unlock()
		fmt.Fprint(w, `{"data":1,"keys":[]}`)
	}))
	t.Cleanup(proxy.Close)
	cmd := buildBinary(t).named("--auth-jwks=http://issuer.invalid/keys", "--webhook-url=http://hook.invalid/", "--request-routes=*=http://backend.invalid/")
	cmd.Env = append(cmd.Env, "HTTP_PROXY="+proxy.URL, "http_proxy=", "NO_PROXY=", "no_proxy=", "BARRAGE_WEBHOOK_SECRET="+hookSecret)
	m := start(t, cmd).member("ann")
	m.ask(`"cmd":"request","method":"m"`)
	await(t, "all three to be asked", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return asked["issuer.invalid"] && asked["hook.invalid"] && asked["backend.invalid"]
	})
}
