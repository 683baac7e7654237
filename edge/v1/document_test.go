package v1

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"barrage/internal/broker"
)

// TestProtocolTables: the tables of commands and pushes name the members that the
// types have, and no others.
func TestProtocolTables(t *testing.T) {
	doc, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, pushes, objects := tables(t, string(doc), "Commands", 1)[0], tables(t, string(doc), "Pushes", 2)[0], tables(t, string(doc), "Pushes", 2)[1]
	var fields []string
	for _, row := range commands {
		fields = append(fields, named(row[1])...)
	}
	wantNames(t, "the commands' fields", fields, membersOf(command{}), "id", "cmd")
	for cmd, reply := range map[string]any{
		"join": joinReply{}, "leave": empty{}, "publish": publishReply{}, "history": historyReply{}, "presence": presenceReply{},
		"ping": pingReply{}, "auth": authReply{}, "ack": empty{}, "request": requestReply{}, "serve": serveReply{}, "answer": empty{},
		"presence_update": empty{}, "last_seen": lastSeenReply{},
	} {
		wantNames(t, "ok of "+cmd, named(commands[cmd][2]), membersOf(reply), "push")
	}
	for push, object := range map[string]any{
		"welcome": welcomePush{}, "joined": joinReply{}, "message": messageJSON{}, "gap": gapPush{},
		"presence": presencePush{}, "left": leftPush{}, "bye": byePush{}, "request": requestPush{}, "cancel": cancelPush{},
	} {
		wantNames(t, "push "+push, named(pushes[push][1]+pushes[push][2]), membersOf(object), "push")
	}
	for name, object := range map[string]any{
		"sender": broker.Sender{}, "join": userJSON{}, "error": errorJSON{}, "since": positionJSON{},
	} {
		wantNames(t, "object "+name, named(objects[name][1]+objects[name][2]), membersOf(object))
	}
	wantNames(t, "object gap", named(objects["gap"][1]+objects["gap"][2]), membersOf(gapPush{}), "push", "room", "count")
}

// tables are the first n tables of a section: the cells of each row by the first
// name in it.
func tables(t *testing.T, doc, section string, n int) []map[string][]string {
	t.Helper()
	_, text, _ := strings.Cut(doc, "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var all []map[string][]string
	for _, lines := range regexp.MustCompile(`(?m)(?:^\|.*\n)+`).FindAllString(text, -1) {
		table := make(map[string][]string)
		for line := range strings.Lines(lines) {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			if names := named(cells[0]); len(names) > 0 {
				table[names[0]] = cells
			}
		}
		all = append(all, table)
	}
	if len(all) < n {
		t.Fatalf("section %s has %d tables, want %d", section, len(all), n)
	}
	return all
}

// named are the members that a text names, each in backticks.
func named(text string) (names []string) {
	for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// membersOf are a struct's members in JSON.
func membersOf(v any) (names []string) {
	typ := reflect.TypeOf(v)
	for i := range typ.NumField() {
		if !typ.Field(i).IsExported() {
			continue
		}
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func wantNames(t *testing.T, what string, got, want []string, but ...string) {
	t.Helper()
	want = slices.DeleteFunc(want, func(name string) bool { return slices.Contains(but, name) })
	for _, names := range []*[]string{&got, &want} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the document has\n%q, want\n%q", what, got, want)
	}
}
