package auth

import "testing"

func TestRights(t *testing.T) {
	user := func(rooms, publish Patterns) Identity {
		return Identity{User: "u", Rooms: rooms, Publish: publish, Direct: Patterns{"*"}}
	}
	all := Patterns{"*"}
	direct := func(publish Patterns, to ...string) Identity {
		return Identity{User: "u", Rooms: all, Publish: publish, Direct: to}
	}
	tests := []struct {
		name          string
		id            Identity
		room          string
		join, publish bool
	}{
		{"any room", user(all, all), "a", true, true},
		{"subscribe only", user(all, nil), "a", true, false},
		{"listed", user(Patterns{"b", "live:*"}, all), "live:1", true, true},
		{"not listed", user(Patterns{"b", "live:*"}, all), "a", false, false},
		{"prefix is not enough", user(Patterns{"a"}, all), "ab", false, false},
		{"pub listed", user(all, Patterns{"a*"}), "ab", true, true},
		{"pub not listed", user(all, Patterns{"a*"}), "b", true, false},
		{"pub beyond rooms", user(Patterns{"a"}, Patterns{"b"}), "b", false, false},
		{"own room", user(all, all), "user:u", true, true},
		{"own room, not listed", user(Patterns{"a"}, nil), "user:u", true, false},
		{"other's room", user(all, all), "user:v", false, true},
		{"other's room, named by a pattern", user(Patterns{"user:v", "user:*"}, all), "user:v", false, true},
		{"other's room, rooms listed", user(Patterns{"a"}, all), "user:v", false, true},
		{"other's room, pub elsewhere", user(all, Patterns{"a"}), "user:v", false, false},
		{"other's room, subscribe only", user(all, nil), "user:v", false, false},
		{"other's room, dm listed", direct(all, "w", "v"), "user:v", false, true},
		{"other's room, dm a pattern", direct(all, "help-*"), "user:help-7", false, true},
		{"other's room, dm elsewhere", direct(all, "v"), "user:v2", false, false},
		{"other's room, dm none", direct(all), "user:v", false, false},
		{"other's room, dm listed, pub elsewhere", direct(Patterns{"a"}, "v"), "user:v", false, false},
		{"own room, dm none", direct(all), "user:u", true, false},
		{"a room, dm none", direct(all), "a", true, true},
		{"other's room with more", user(all, all), "user:u2", false, true},
		{"other's room in capitals", user(all, all), "user:U", false, true},
		{"room of no user", user(all, all), "user:", false, true},
		{"like a user's", user(all, all), "users:v", true, true},
		{"anonymous", Anonymous(true), "a", true, true},
		{"anonymous, subscribe only", Anonymous(false), "a", true, false},
		{"anonymous, user's room", Anonymous(true), "user:v", false, true},
		{"anonymous, room of no user", Anonymous(false), "user:", false, false},
		{"nobody", Identity{}, "a", false, false},
		{"nobody, room of no user", Identity{}, "user:", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.id.Rights().MayJoin(tt.id.User, tt.room); got != tt.join {
				t.Errorf("may join %s: %t", tt.room, got)
			}
			if got := tt.id.Rights().MayPublish(tt.room); got != tt.publish {
				t.Errorf("may publish to %s: %t", tt.room, got)
			}
		})
	}
}

func TestEqualRightsAreTheSame(t *testing.T) {
	a := Identity{User: "a", Rooms: Patterns{"x", "y"}}
	b := Identity{User: "b", Rooms: Patterns{"x", "y"}}
	if a.Rights() != b.Rights() {
		t.Error("two users' rights differ")
	}
	b.Rooms = Patterns{"x", "y", "z"}
	if a.Rights() == b.Rights() {
		t.Error("other rooms, the same rights")
	}
}

// Joining and publishing are decided for each command of each connection.
func TestRightsDoNotAllocate(t *testing.T) {
	id := Identity{User: "u", Rooms: Patterns{"a*", "b*c"}, Publish: Patterns{"*"}}
	r := id.Rights()
	if n := testing.AllocsPerRun(100, func() {
		if !r.MayJoin("u", "bxc") || !r.MayPublish("bxc") || r.MayJoin("u", "user:v") {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
