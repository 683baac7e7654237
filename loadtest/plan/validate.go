// What a plan may be. Each problem is one line that begins with the flag.

package plan

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"barrage/internal/settings"
	"barrage/loadtest/stamp"
)

// problems gathers what is wrong.
type problems []error

func (c *problems) bad(flag, text string, args ...any) {
	*c = append(*c, fmt.Errorf("--"+flag+": "+text, args...))
}

func (c *problems) int(flag string, v, least, most int) {
	if v < least || v > most {
		c.bad(flag, "%d is not from %d to %d", v, least, most)
	}
}

// bounds checks the settings that have some.
func (c *problems) bounds(p *Plan) {
	text := func(v any) string {
		if f, ok := v.(float64); ok {
			return settings.Format(f)
		}
		return fmt.Sprint(v)
	}
	for i := range rows {
		s := &rows[i]
		if v := s.Field(p).Interface(); !s.Within(v) {
			c.bad(s.FlagName(), "%s is not from %s to %s", text(v), text(s.Min), text(s.Max))
		}
	}
}

// Validate tells all that is wrong with p, each in one line that names the
// setting as its flag. A valid plan is bounded in time, count and memory. Agents
// check what the network brings, too.
func (p *Plan) Validate() error {
	var c problems
	if len(p.Name) > maxRoomSize || !printable(p.Name) {
		c.bad("name", "%.40q is not a name of at most %d printable characters", p.Name, maxRoomSize)
	}
	c.bounds(p)
	p.checkTarget(&c)
	p.checkPublishing(&c)
	p.checkLoad(&c)
	p.checkViewers(&c)
	if len(c) == 0 {
		p.checkSums(&c)
	}
	return errors.Join(c...)
}

func (p *Plan) checkTarget(c *problems) {
	if len(p.URLs) == 0 {
		c.bad("url", "is missing, such as ws://127.0.0.1:8080")
	}
	c.int("url", len(p.URLs), 0, maxListLength)
	for _, text := range p.URLs {
		if err := checkTargetURL(text); err != nil {
			c.bad("url", "%w", err)
		}
	}
	if _, ok := findPreset(p.Preset); !ok && p.Preset != presetNone && p.Preset != "" {
		c.bad("preset", "%q is not %s", p.Preset, presetNames())
	}
	checkHeaders(c, "header", p.Headers, isHandshakeHeader, "{room}", "{user}", "{token}")
	c.int("subprotocol", len(p.Subprotocols), 0, maxListLength)
	for _, name := range p.Subprotocols {
		if !isToken(name) {
			c.bad("subprotocol", "%q is not a name of letters, digits and !#$%%&'*+-.^_`|~", name)
		}
	}
	checkText(c, "open-text", p.OpenText, "{room}", "{user}", "{token}")
	if _, err := hex.DecodeString(p.OpenHex); err != nil || len(p.OpenHex) > maxTextSize {
		c.bad("open-hex", "%.40q is not pairs of hexadecimal digits, %d bytes at most", p.OpenHex, maxTextSize/2)
	}
	c.int("answer", len(p.Answers), 0, maxListLength)
	for received, answer := range p.Answers {
		if len(received)+len(answer) > maxTextSize || !utf8.ValidString(received+answer) {
			c.bad("answer", "%.40q is not UTF-8 text, or longer than %d bytes", received, maxTextSize)
		}
	}
	p.checkWho(c)
	p.checkBatch(c)
	if digits, ok := strings.CutPrefix(p.Stamp, "skip:"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 || n > maxSize {
			c.bad("stamp", "%q is not skip:N with N from 0 to %d", p.Stamp, maxSize)
		}
	} else if p.Stamp != "search" {
		c.bad("stamp", "%q is not search or skip:N", p.Stamp)
	}
}

func (p *Plan) checkBatch(c *problems) {
	if !p.Batch {
		return
	}
	if p.Preset != presetV1 {
		c.bad("batch", "needs --preset %s, not %s", presetV1, p.Preset)
	}
	if !p.Deflate {
		c.bad("batch", "needs --deflate: uncompressed messages do not come in batches")
	}
	if p.Skip() >= 0 {
		c.bad("batch", "needs --stamp search: a batch has several stamps")
	}
	if slices.ContainsFunc(p.URLs, func(text string) bool { return hasParameter(text, batchParameter) }) {
		c.bad("batch", "adds the parameter %s to --url, which has it already", batchParameter)
	}
}

// checkWho: like a room's name, a user's goes into URLs, JSON and headers alike.
func (p *Plan) checkWho(c *problems) {
	c.int("refusal", len(p.Refusals), 0, maxListLength)
	for _, text := range p.Refusals {
		if text == "" || len(text) > maxTextSize || !utf8.ValidString(text) {
			c.bad("refusal", "%.40q is not UTF-8 text of 1 to %d bytes", text, maxTextSize)
		}
	}
	checkWord(c, "user", p.User, maxUserSize, "{n}")
	checkWord(c, "token", p.Token, maxTokenSize, "{user}")
}

func checkWord(c *problems, flag, text string, most int, allowed string) {
	checkText(c, flag, text, allowed)
	switch {
	case len(text) > most:
		c.bad(flag, "has %d bytes, more than %d", len(text), most)
	case !printable(text) || strings.ContainsAny(text, "\"\\ "):
		c.bad(flag, "has a space, quote, backslash or control character, which would not mean the same everywhere")
	}
}

func (p *Plan) checkPublishing(c *problems) {
	switch p.Publish {
	case PublishNone:
		if p.Rate > 0 && p.Duration > 0 {
			c.bad("publish", "none leaves nobody to send --rate %s; say http, redis or socket, or --rate 0", settings.Format(p.Rate))
		}
	case PublishHTTP:
		p.checkHTTP(c)
	case PublishRedis:
		p.checkRedis(c)
	case PublishSocket:
		checkText(c, "send-text", p.SendText, "{room}", "{payload}")
		needPayload(c, "send-text", p.SendText)
	default:
		c.bad("publish", "%q is not http, redis, socket or none", p.Publish)
	}
}

func (p *Plan) checkHTTP(c *problems) {
	if err := checkPublishURL(p.PublishURL); err != nil {
		c.bad("publish-url", "%w", err)
	}
	switch p.PublishMethod {
	case "POST", "PUT", "PATCH": // a GET may be repeated on the way, and count twice
	default:
		c.bad("publish-method", "%q is not POST, PUT or PATCH", p.PublishMethod)
	}
	checkHeaders(c, "publish-header", p.PublishHeaders, isConnectionHeader)
	checkText(c, "publish-body", p.PublishBody, "{room}", "{payload}")
	needPayload(c, "publish-body", p.PublishBody)
}

func (p *Plan) checkRedis(c *problems) {
	if err := checkRedisURL(p.Redis); err != nil {
		c.bad("redis", "%w", err)
	}
	checkText(c, "redis-channel", p.RedisChannel, "{room}")
	if p.RedisChannel == "" {
		c.bad("redis-channel", "is missing, such as room:{room}")
	}
	checkText(c, "publish-body", p.PublishBody, "{room}", "{payload}")
	needPayload(c, "publish-body", p.PublishBody)
}

func (p *Plan) checkLoad(c *problems) {
	if p.Rooms > p.Connections && p.Connections > 0 {
		c.bad("rooms", "%d are more than --connections, %d", p.Rooms, p.Connections)
	}
	p.checkRoom(c)
	switch {
	case p.Size < stamp.Len:
		c.bad("size", "%d is less than %d, the length of a stamp", p.Size, stamp.Len)
	case p.Size > maxSize:
		c.bad("size", "%d is more than %d", p.Size, maxSize)
	}
	if n := p.Rate * p.Duration.Seconds(); n > maxMessages {
		c.bad("rate", "%s per second for %v are %.0f messages, more than %d; lower it or --duration", settings.Format(p.Rate), p.Duration, n, uint32(maxMessages))
	}
}

// checkRoom: names go into URLs, JSON and Redis channels alike.
func (p *Plan) checkRoom(c *problems) {
	checkText(c, "room", p.Room, "{n}")
	switch {
	case p.Room == "" || len(p.Room) > maxRoomSize:
		c.bad("room", "has %d characters, not from 1 to %d", len(p.Room), maxRoomSize)
	case !printable(p.Room) || strings.ContainsAny(p.Room, "\"\\ "):
		c.bad("room", "%q has a space, quote, backslash or control character, which would not mean the same everywhere", p.Room)
	case p.Rooms > 1 && !strings.Contains(p.Room, "{n}"):
		c.bad("room", "%q has no {n}, so all %d rooms would have one name", p.Room, p.Rooms)
	}
}

func (p *Plan) checkViewers(c *problems) {
	if p.Slow+p.Stalled > 100 {
		c.bad("slow", "%s and --stalled %s are more than 100 per cent", settings.Format(p.Slow), settings.Format(p.Stalled))
	}
	if p.Storms > 0 && p.Duration == 0 {
		c.bad("storms", "come within --duration, which is 0s")
	}
	if !p.Echo {
		return
	}
	if p.Publish != PublishSocket {
		c.bad("echo", "needs --publish socket, not %s", p.Publish)
	}
	if p.Rooms != 1 || p.Zipf != 0 {
		c.bad("echo", "gives each connection a room of its own: leave out --rooms and --zipf")
	}
	if !strings.Contains(p.Room, "{n}") {
		c.bad("echo", "gives each connection a room of its own: --room needs {n}")
	}
}

// checkSums bounds what the controller and agents keep for each message lane.
func (p *Plan) checkSums(c *problems) {
	l := NewLayout(p)
	tracks, lanes := 0, 0
	for room := range l.Rooms() {
		tracks += l.Members(room) * l.Lanes(room)
		lanes += l.Lanes(room)
	}
	if max(tracks, lanes) <= maxTracks {
		return
	}
	lower := "publishers"
	if p.Publish == PublishSocket {
		lower = "talkers"
	}
	c.bad(lower, "the viewers of all rooms times the senders they get messages of are %d, more than %d; lower it, or the viewers of a room", tracks, maxTracks)
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// checkText refuses placeholders that would be sent as they are.
func checkText(c *problems, flag, text string, allowed ...string) {
	if len(text) > maxTextSize || !utf8.ValidString(text) {
		c.bad(flag, "%.40q is not UTF-8 text, or longer than %d bytes", text, maxTextSize)
		return
	}
	for _, found := range placeholder.FindAllString(text, -1) {
		if !slices.Contains(allowed, found) {
			c.bad(flag, "%s means nothing here; there is %s", found, strings.Join(allowed, " and "))
		}
	}
}

func needPayload(c *problems, flag, text string) {
	if !strings.Contains(text, "{payload}") {
		c.bad(flag, "%.40q has no {payload}, so no message could be told from another", text)
	}
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
}
