// Query parameters and the headers that may stand for them, and the checks of texts
// and durations wherever they come from.

package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"barrage/internal/broker"
)

// Bounds of texts, in bytes.
const (
	maxEpoch   = 64
	maxKeyName = 64 // of a key instead of a token
	maxConn    = 64
	maxReason  = 123 // what a close frame holds (RFC 6455, section 5.5)
)

const (
	maxFor = 30 * 24 * time.Hour // the longest ban
	maxTTL = 7 * 24 * time.Hour  // the longest time that a message is good for, if not for ever
)

// params are a request's. The first thing that is wrong is kept in err.
type params struct {
	header http.Header
	query  url.Values
	err    error
}

func readParams(r *http.Request) params {
	p := params{header: r.Header}
	if r.URL.RawQuery != "" {
		var err error
		if p.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			p.err = invalid("query", err.Error())
		}
	}
	return p
}

func (p *params) fail(field, text string) { p.check(invalid(field, text)) }

func (p *params) check(err error) {
	if p.err == nil {
		p.err = err
	}
}

// value is the parameter's, given in the query or by the header, if it has one.
func (p *params) value(name, header string) string {
	inQuery, inHeader := p.query[name], p.header[header]
	switch {
	case len(inQuery)+len(inHeader) == 0:
		return ""
	case len(inQuery)+len(inHeader) > 1:
		p.fail(name, "must be given once")
		return ""
	case len(inQuery) == 1:
		return inQuery[0]
	}
	return inHeader[0]
}

// text is a value of at most limit bytes that a log line or a screen can show.
func (p *params) text(name, header string, limit int) string {
	s := p.value(name, header)
	p.check(checkPlain(name, s, limit))
	return s
}

// shown is a value that is told of a sender, for which check has the rule.
func (p *params) shown(name, header string, check func(string) error) string {
	s := p.value(name, header)
	if err := check(s); err != nil {
		p.fail(name, err.Error())
	}
	return s
}

// room and user are the name of a room and the id of a user; if it is not given, "".
func (p *params) room() string { return p.name("room", checkRoom) }
func (p *params) user() string { return p.name("user", checkUser) }

func (p *params) name(field string, check func(string) (string, error)) string {
	s := p.value(field, "")
	if s == "" {
		return ""
	}
	s, err := check(s)
	p.check(err)
	return s
}

// network is an address or a network; if it is not given, the zero one.
func (p *params) network() (n netip.Prefix) {
	if s := p.value("address", ""); s != "" {
		var err error
		if n, err = broker.ParseNetwork(s); err != nil {
			p.check(err)
		}
	}
	return n
}

// flag is true or false; if it is not given, def.
func (p *params) flag(name, header string, def bool) bool {
	switch p.value(name, header) {
	case "":
		return def
	case "true":
		return true
	case "false":
		return false
	}
	p.fail(name, "must be true or false")
	return def
}

// confirm is by qos whether a message is to be acknowledged.
func (p *params) confirm() bool {
	switch p.value("qos", "Barrage-Qos") {
	case "", "0":
		return false
	case "1":
		return true
	}
	p.fail("qos", "must be 0 or 1")
	return false
}

// ttl is for how many milliseconds a message is good; if it is not given, 0: for
// ever.
func (p *params) ttl() uint32 {
	ms, err := readTTL(p.value("ttl", "Barrage-Ttl"))
	p.check(err)
	return ms
}

// limit is a number from 1 to most; if it is not given, def.
func (p *params) limit(def, most int) int { return p.number("limit", def, 1, most) }

// number is one from least to most; if it is not given, def.
func (p *params) number(name string, def, least, most int) int {
	s := p.value(name, "")
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		p.fail(name, fmt.Sprintf("must be a number from %d to %d", least, most))
	}
	return n
}

// checkPlain wants text that a log line or a screen can show.
func checkPlain(field, s string, limit int) error {
	if len(s) > limit || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return invalid(field, fmt.Sprintf("must be at most %d bytes of UTF-8 without control characters", limit))
	}
	return nil
}

// checkRoom and checkUser apply the rules for names and ids, and return their normal
// forms.
func checkRoom(name string) (string, error) {
	normal, err := broker.RoomName(name)
	if err != nil {
		return "", invalid("room", err.Error())
	}
	return normal, nil
}

func checkUser(id string) (string, error) {
	normal, err := broker.UserID(id)
	if err != nil {
		return "", invalid("user", err.Error())
	}
	return normal, nil
}

func checkDevice(name string) (string, error) {
	normal, err := broker.DeviceName(name)
	if err != nil {
		return "", invalid("device", err.Error())
	}
	return normal, nil
}

func checkConn(conn string) (string, error) {
	if conn == "" {
		return "", invalid("conn", "must not be empty")
	}
	return conn, checkPlain("conn", conn, maxConn)
}

// duration reads what time.ParseDuration does, from 0 to most; empty is 0.
func duration(field, s string, most time.Duration) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > most {
		return 0, invalid(field, fmt.Sprintf("must be a duration such as 90s or 10m, from 0 to %v", most))
	}
	return d, nil
}

// readTTL gives milliseconds; a part of one counts as one, as 0 is for ever.
func readTTL(s string) (uint32, error) {
	d, err := duration("ttl", s, maxTTL)
	return uint32((d + time.Millisecond - 1) / time.Millisecond), err
}
