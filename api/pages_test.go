// The dashboard's files are for everybody, and nothing else becomes so.

package api

import "testing"

func TestPages(t *testing.T) {
	policy := map[string]string{"Content-Security-Policy": "default-src 'none'"}
	a := newAPI(t, Config{Tokens: []string{"secret"}, Pages: []Page{
		{Path: "/", ContentType: "text/html", Headers: policy, Body: []byte("<p>hi")},
		{Path: "/dashboard/app.js", ContentType: "text/javascript", Headers: policy, Body: []byte("1")},
	}}, &memServer{})
	for path, want := range map[string]int{"/": 200, "/dashboard/app.js": 200, "/dashboard/none.js": 404, "/dashboard/": 401, "/dashboard": 401, "/index.html": 401, "/v1/rooms": 401, "/metrics": 401} {
		w := request(t, a, "GET", path, "")
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if want == 200 && (w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("ETag") == "") {
			t.Errorf("%s has headers %v", path, w.Header())
		}
	}
	if w := request(t, newAPI(t, Config{}, &memServer{}), "GET", "/", ""); w.Code != 404 {
		t.Errorf("without a dashboard / is %d", w.Code)
	}
}
