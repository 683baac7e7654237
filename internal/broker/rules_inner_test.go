// Rules as texts.

package broker

import (
	"testing"
	"time"
)

// TestRulesString: it is equal for what is the same in effect, and only for that.
func TestRulesString(t *testing.T) {
	mail := Rule{"user:*", Retention{Messages: 10, Age: time.Hour}}
	all := Rule{"*", Retention{Messages: 5, Age: time.Minute}}
	with := func(r Rule, bytes int64) Rule { r.Bytes = bytes; return r }
	same := [][]Rules{
		{
			{mail, all}, {with(mail, 16<<20), with(all, 4<<20)}, {mail, all, all}, {mail, all, {"live:*", Retention{Messages: 7, Age: time.Hour}}},
			{mail, {"user:vip*", Retention{Messages: 7, Age: time.Hour}}, all}, {mail, all, {"x", Retention{}}},
		},
		{{all}, {all, mail}},
		{{with(all, 4<<20)}},
		{{mail}, {mail, {"*", Retention{}}}, {mail, {"x", Retention{Messages: 5}}, {"*", Retention{Age: time.Hour}}}},
		{{{"x", Retention{}}, all}, {{"x", Retention{Messages: 3}}, all}},
		{{}, nil, {{"*", Retention{Age: time.Hour}}}},
		{{mail, with(all, 8<<20)}},
		{{{"a*", Retention{Messages: 5, Age: time.Minute}}, {"*b", Retention{Messages: 6, Age: time.Minute}}}},
		{{{"*b", Retention{Messages: 6, Age: time.Minute}}, {"a*", Retention{Messages: 5, Age: time.Minute}}}},
	}
	seen := make(map[string]int)
	for i, rules := range same {
		for _, r := range rules {
			if before, known := seen[r.String()]; known && before != i || r.String() != rules[0].String() {
				t.Errorf("%+v is %q; want as its like, and no others", []Rule(r), r)
			}
			seen[r.String()] = i
		}
	}
}
