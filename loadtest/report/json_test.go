// Reports as JSON, and that no secret is in one.

package report

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"barrage/loadtest/plan"
)

func TestJSONRoundTrip(t *testing.T) {
	for name, make := range samples {
		t.Run(name, func(t *testing.T) {
			want := make()
			var first, second bytes.Buffer
			if err := WriteJSON(&first, want); err != nil {
				t.Fatal(err)
			}
			got, err := ReadJSON(bytes.NewReader(first.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := WriteJSON(&second, got); err != nil {
				t.Fatal(err)
			}
			if first.String() != second.String() {
				t.Error("another text after reading and writing")
			}
			if !reflect.DeepEqual(got.Values(), want.Values()) {
				t.Errorf("values %v, want %v", got.Values(), want.Values())
			}
			if got.measured() && got.Latency.Histogram.Quantile(0.99) != want.Latency.Histogram.Quantile(0.99) {
				t.Error("another histogram")
			}
			if len(got.Timeline) != len(want.Timeline) || got.Started != want.Started || got.Plan.Duration != want.Plan.Duration {
				t.Error("parts are lost")
			}
		})
	}
}

func TestReadJSONErrors(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         "",
		"no JSON":       "hello",
		"no version":    "{}",
		"newer":         `{"version": 99}`,
		"bad histogram": `{"version": 1, "latency_ms": {"histogram": "x"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadJSON(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "report: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSecrets: reports are passed on, so they have no passwords and tokens.
func TestSecrets(t *testing.T) {
	r := sample()
	r.Plan = plan.Plan{
		URLs:           []string{"ws://u:SECRET@h/ws?room={room}&token=SECRET&x=1", "ws://h/?access_token=SECRET#f"},
		Headers:        []string{"Authorization: Bearer SECRET", "SECRET"},
		PublishHeaders: []string{"X-Api-Key: SECRET"},
		PublishURL:     "http://:SECRET@h/p?api_key=SECRET",
		OpenText:       `{"connect":{"token": "SECRET\"SECRET"},"id":1}`,
		OpenHex:        "SECRET",
		Token:          "SECRET",
		Redis:          "redis://:SECRET@127.0.0.1:6379/0",
		Publish:        plan.PublishRedis,
		Duration:       time.Second,
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := Summary(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if i := strings.Index(b.String(), "SECRET"); i >= 0 {
		t.Errorf("%q", b.String()[max(0, i-100):i+20])
	}
	for _, kept := range []string{"Authorization: …", "room={room}", `"id\":1`, "@127.0.0.1:6379"} {
		if !strings.Contains(b.String(), kept) {
			t.Errorf("%q is gone", kept)
		}
	}
	if r.Plan.Headers[0] != "Authorization: Bearer SECRET" || r.Plan.OpenHex != "SECRET" {
		t.Error("the plan itself was changed")
	}
}

// FuzzReadJSON: whatever can be read can be shown.
func FuzzReadJSON(f *testing.F) {
	for _, make := range samples {
		r := make()
		r.Latency.Histogram = nil // its text hides the rest from the fuzzer
		r.Timeline = r.Timeline[:3]
		var b bytes.Buffer
		if err := WriteJSON(&b, r); err != nil {
			f.Fatal(err)
		}
		f.Add(b.String())
	}
	f.Add(`{"version":1,"seconds":1e308,"timeline":[{"t":-1},{"t":1e308}],"find":{"steps":[{},{"value":-1e308,"p99":1}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ReadJSON(strings.NewReader(text))
		if err != nil {
			return
		}
		r.Judge()
		var b bytes.Buffer
		if err := Summary(&b, r); err != nil {
			t.Error(err)
		}
		if err := WriteHTML(&b, r); err != nil {
			t.Error(err)
		}
		if err := WriteJSON(&b, r); err != nil {
			t.Error(err)
		}
	})
}
