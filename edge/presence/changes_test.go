package presence

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEventsOfASmallRoom(t *testing.T) {
	type step struct {
		do   string // +user, -user, or a time to pass
		want []string
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"join at once, leave after the grace", []step{
			{"+a", []string{"join a"}}, {"-a", []string{}}, {"1.9s", []string{}}, {"100ms", []string{"leave a"}}, {"1h", []string{}},
		}},
		{"back within the grace: nothing", []step{
			{"+a", []string{"join a"}}, {"-a", []string{}}, {"1s", []string{}}, {"+a", []string{}}, {"1h", []string{}},
		}},
		{"the grace begins with the last leave", []step{
			{"+a", []string{"join a"}}, {"-a", []string{}}, {"1.5s", []string{}}, {"+a", []string{}}, {"-a", []string{}},
			{"1.5s", []string{}}, {"500ms", []string{"leave a"}},
		}},
		{"back after it: join", []step{
			{"+a", []string{"join a"}}, {"-a", []string{}}, {"3s", []string{"leave a"}}, {"+a", []string{"join a"}},
		}},
		{"only first and last connections", []step{
			{"+a", []string{"join a"}}, {"+a", []string{}}, {"-a", []string{}}, {"1h", []string{}}, {"-a", []string{}}, {"3s", []string{"leave a"}},
		}},
		{"leaves before joins, each in order", []step{
			{"+a +b", []string{"join a", "join b"}}, {"-b -a", []string{}}, {"3s nothing +d +c", []string{"leave b", "leave a", "join d", "join c"}},
		}},
		{"gone before it was told: nothing", []step{{"+a -a", []string{}}, {"1h", []string{}}}},
		{"anonymous: nothing", []step{{"+ + -", []string{}}, {"1h", []string{}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			g := newRegistry(t, Config{Now: c.now})
			for _, s := range tt.steps {
				do(g, c, s.do)
				got := g.Due(c.now())
				if fmt.Sprint(told(got)) != fmt.Sprint(s.want) {
					t.Errorf("%s: told %q, want %q", s.do, told(got), s.want)
				}
			}
		})
	}
}

// do carries out words: +user, -user, or a time to pass.
func do(g *Registry, c *clock, words string) {
	for _, word := range strings.Fields(words) {
		switch d, err := time.ParseDuration(word); {
		case err == nil && word[0] != '+' && word[0] != '-':
			c.add(d)
		case word == "+":
			g.Join("r", nil)
		case word[0] == '+':
			g.Join("r", &User{ID: word[1:]})
		case word[0] == '-':
			g.Leave("r", word[1:])
		}
	}
}

func TestChangesCarryCounts(t *testing.T) {
	g := newRegistry(t, Config{})
	g.Join("r", nil)
	g.Join("r", user(1))
	got := g.Due(time.Now())
	if len(got) != 1 || got[0].Room != "r" || got[0].Count != 1 || got[0].Connections != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestQuietRoom(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now, Quiet: func(room string) bool { return room == "r" }})
	for i := range 1000 {
		g.Join("r", user(i))
	}
	wantTold(t, g.Due(c.now()))
	for i := range 1000 {
		g.Leave("r", user(i).ID)
	}
	if st := g.Stats(); st.Rooms != 0 {
		t.Error("an empty quiet room is kept without Due")
	}
	c.add(time.Hour)
	wantTold(t, g.Due(c.now()))
}

func TestBigRoomIsSummarized(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now, EventLimit: 4, SampleSize: 2, SampleLimit: 9, SummaryMax: 4 * time.Second})
	due := func(want ...string) { t.Helper(); wantTold(t, g.Due(c.now()), want...) }
	for i := range 4 {
		g.Join("r", user(i))
	}
	due("join u0", "join u1", "join u2", "join u3")
	g.Join("r", user(4))
	due("summary 5/5 u4")
	g.Join("r", user(5))
	g.Join("r", user(6))
	g.Join("r", user(7))
	due()
	c.add(3 * time.Second) // 8 users: twice the interval of 4
	due()
	c.add(time.Second)
	due("summary 8/8 u5 u6")
	c.add(time.Hour)
	due() // nothing has happened
	g.Join("r", nil)
	due("summary 8/9")
	g.Join("r", user(8))
	g.Join("r", user(9))
	c.add(4 * time.Second)
	due("summary 10/11") // beyond SampleLimit
	for i := range 6 {
		g.Leave("r", user(i).ID)
	}
	c.add(4 * time.Second)
	due("summary 4/5") // still: not back and forth at the limit
	g.Leave("r", "u6")
	due("exact 3")
	if got := fmt.Sprint(ids(g.List("r", -1).Users)); got != "[u9 u8 u7]" {
		t.Errorf("list is %s", got)
	}
	g.Join("r", user(1))
	due("join u1")
	g.Leave("r", "u7")
	c.add(2 * time.Second)
	due("leave u7")
}

func TestCrowdOfAnonymousMakesARoomBig(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now, EventLimit: 4})
	for range 4*connsPerUser + connsPerUser {
		g.Join("r", nil)
	}
	g.Join("r", user(1))
	wantTold(t, g.Due(c.now()), "summary 1/41 u1")
}

func TestFlappingIsBounded(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now, ExactLimit: 10, EventLimit: 10})
	for i := range 11 { // told and gone, one by one
		g.Join("r", user(i))
		g.Due(c.now())
		g.Leave("r", user(i).ID)
	}
	if r := g.stripes.Of("r").rooms["r"]; len(r.work.leaving) > 10 {
		t.Errorf("%d wait to be told of", len(r.work.leaving))
	}
	wantTold(t, g.Due(c.now()), "exact 0") // instead of eleven
	if st := g.Stats(); st.Rooms != 0 {
		t.Errorf("the empty room is kept: %+v", st)
	}
}

func TestKindString(t *testing.T) {
	for k, want := range map[Kind]string{Join: "join", Leave: "leave", Summary: "summary", 0: "unknown"} {
		if got := k.String(); got != want {
			t.Errorf("Kind(%d) is %q, want %q", k, got, want)
		}
	}
}
