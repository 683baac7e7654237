// Conditions: what they mean, and which have no meaning.

package assert

import (
	"strings"
	"testing"
)

var names = []string{"missing", "p99", "rss_per_conn", "open"}

func TestEval(t *testing.T) {
	values := map[string]float64{"missing": 0, "p99": 612.25, "open": 1000}
	for text, want := range map[string]bool{
		"missing==0":                          true,
		"p99<500ms":                           false,
		"p99<1s && missing == 0":              true,
		"p99 > 0.6s":                          true,
		"p99>500ms && p99<700ms || missing>0": true,
		"!(p99<500ms)":                        true,
		"missing/open<1%":                     true,
		"open-missing*2>=1000":                true,
		"open<1KiB":                           true,
		"rss_per_conn<400":                    false, // not known
		"!(rss_per_conn<400)":                 false,
		"missing/missing==0":                  false, // not a number
		"missing/missing!=0":                  false,
		"!(missing/missing==0)":               false,
		"open/missing>1":                      true, // infinite
		"open<1k":                             false,
		"open<1KB+1":                          true,
		"p99>612000us":                        true,
		"p99>612250000.5ns":                   false,
		"open==01000":                         true, // not octal
	} {
		e, err := Parse(text, names)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if r := e.Eval(values); r.OK != want {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

func TestFound(t *testing.T) {
	e, err := Parse("p99<500ms && missing==0 && rss_per_conn<1 && p99>0", names)
	if err != nil {
		t.Fatal(err)
	}
	r := e.Eval(map[string]float64{"p99": 612.25, "missing": 3})
	if want := "missing 3, p99 612.250, rss_per_conn is not known"; r.Found != want {
		t.Errorf("found %q, want %q", r.Found, want)
	}
}

func TestBad(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "not a condition",
		"p99":                     "is a number",
		"p99<500parsecs":          "unit",
		"p99<500ms2":              "unit",
		"p99<1.5.5s":              "unit",
		"open<5%2":                "unit",
		"open<1e3":                "unit",
		"p98<500ms":               "there is p99",
		"missing=0":               "not a condition",
		"p99 && missing":          "&&",
		"!p99":                    "!",
		"f(p99)<1":                "only figures",
		"p99<'a'":                 "no number",
		"p99%2==0":                "has no meaning",
		"-(p99<1)":                "-",
		"(p99<1)<1":               "<",
		"p99<0x10p1":              "unit",
		strings.Repeat("!", 2000): "limit is 1000",
	} {
		if _, err := Parse(text, names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestParseSLO(t *testing.T) {
	all, err := ParseSLO("p99=500ms, missing=0,open>=10", names)
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for i, want := range []string{"p99<=500ms", "missing<=0", "open>=10"} {
		if all[i].String() != want {
			t.Errorf("%q, want %q", all[i], want)
		}
	}
	if _, err := ParseSLO("p99=500ms,,", names); err == nil {
		t.Error("an empty condition was taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"missing==0 && p99<500ms", "!(open>1%)", "p99*2", "((((", "-1e9<p99", "open<1KiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := Parse(text, names); err == nil {
			e.Eval(map[string]float64{"p99": 1})
			e.Eval(nil)
		}
	})
}
