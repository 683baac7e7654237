package events

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSignature(t *testing.T) {
	const secret, other = testSecret, "another secret that is long enough"
	body := []byte(`{"events":[]}`)
	at := time.Unix(1763738000, 0)
	good := sign([]string{secret}, body, at)
	both := sign([]string{other, secret}, body, at)
	v1 := good[strings.Index(good, "v1="):]
	for _, tt := range []struct {
		name, header string
		body         string
		now          time.Time
		want         error
	}{
		{"good", good, string(body), at, nil},
		{"at the tolerance", good, string(body), at.Add(time.Minute), nil},
		{"from a clock ahead", good, string(body), at.Add(-time.Minute), nil},
		{"one of two secrets", both, string(body), at, nil},
		{"spaces, unknown keys", "v0=ff, t=1763738000 , " + v1 + ",v2=", string(body), at, nil},
		{"a space inside", "t =1763738000," + v1, string(body), at, errSignatureHeader},
		{"upper case", "t=1763738000,v1=" + strings.ToUpper(v1[3:]), string(body), at, nil},
		{"too old", good, string(body), at.Add(time.Minute + 1), errSignatureTime},
		{"too new", good, string(body), at.Add(-time.Minute - 1), errSignatureTime},
		{"another body", good, `{"events":[ ]}`, at, errSignature},
		{"another secret", sign([]string{other}, body, at), string(body), at, errSignature},
		{"another time", "t=1763738001," + v1, string(body), at, errSignature},
		{"the same time, written otherwise", "t=01763738000," + v1, string(body), at, errSignature},
		{"empty", "", string(body), at, errSignatureHeader},
		{"no t", v1, string(body), at, errSignatureHeader},
		{"no v1", "t=1763738000", string(body), at, errSignatureHeader},
		{"two t", "t=1763738000,t=1763738000," + v1, string(body), at, errSignatureHeader},
		{"t is empty", "t=," + v1, string(body), at, errSignatureHeader},
		{"t is negative", "t=-1763738000," + v1, string(body), at, errSignatureHeader},
		{"t is huge", "t=9999999999999999999," + v1, string(body), at, errSignatureHeader},
		{"t is far away", "t=999999999999999999," + v1, string(body), at, errSignature},
		{"signed far away", "t=999999999999999999,v1=" + hex.EncodeToString(mac(secret, "999999999999999999", body)), string(body), at, errSignatureTime},
		{"v1 is short", good[:len(good)-2], string(body), at, errSignatureHeader},
		{"v1 is long", good + "00", string(body), at, errSignatureHeader},
		{"v1 is not hex", good[:len(good)-1] + "g", string(body), at, errSignatureHeader},
		{"a part without =", good + ",", string(body), at, errSignatureHeader},
		{"too many v1", "t=1763738000" + strings.Repeat(","+v1, 9), string(body), at, errSignatureHeader},
		{"too long", good + strings.Repeat(",x=y", 1000), string(body), at, errSignatureHeader},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := verifySignature(secret, tt.header, []byte(tt.body), tt.now, time.Minute)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%q: got %v, want %v", tt.header, err, tt.want)
			}
		})
	}
}

// The package comment's test vector is for those who have no Go: it must be right.
func TestDocumentedVector(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	header := sign([]string{"0123456789abcdef"}, []byte(`{"events":[]}`), time.Unix(1763738000, 0))
	_, v1, _ := strings.Cut(header, "v1=")
	if !bytes.Contains(doc, []byte("v1 "+v1+".")) {
		t.Errorf("doc.go does not give %s", v1)
	}
}

func FuzzVerifySignature(f *testing.F) {
	body, at := []byte("body"), time.Unix(1763738000, 0)
	good := sign([]string{testSecret}, body, at)
	for _, header := range []string{
		good, good + ",v2=x", "t=1763738000", "t=,v1=", ",,,", "=", "t=9223372036854775808,v1=00",
		strings.ReplaceAll(good, ",", " , "), good + "," + good, strings.Replace(good, "t=1", "t=-1", 1),
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		stamp, signatures, err := parseSignature(header)
		if err != nil {
			if !errors.Is(err, errSignatureHeader) {
				t.Fatalf("%q: %v", header, err)
			}
		} else if len(signatures) == 0 || len(signatures) > maxSignatures || !isStamp(stamp) {
			t.Fatalf("%q: %q with %d signatures", header, stamp, len(signatures))
		}
		// Nobody forges: what verifies has the one true signature in it.
		if verifySignature(testSecret, header, body, at, time.Hour) == nil {
			v1 := hex.EncodeToString(mac(testSecret, stamp, body))
			if !strings.Contains(strings.ToLower(header), v1) {
				t.Fatalf("%q verifies", header)
			}
		}
	})
}
