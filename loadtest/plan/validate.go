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

// when notes what is wrong with a flag if it is.
func (c *problems) when(wrong bool, flag, text string, args ...any) {
	if wrong {
		*c = append(*c, fmt.Errorf("--"+flag+": "+text, args...))
	}
}

// length bounds a list.
func (c *problems) length(flag string, n, most int) {
	c.when(n > most, flag, "%d is not from 0 to %d", n, most)
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
		v := s.Field(p).Interface()
		c.when(!s.Within(v), s.FlagName(), "%s is not from %s to %s", text(v), text(s.Min), text(s.Max))
	}
}

// Validate tells all that is wrong with p, each in one line that names the
// setting as its flag. A valid plan is bounded in time, count and memory. Agents
// check what the network brings, too.
func (p *Plan) Validate() error {
	var c problems
	c.when(len(p.Name) > maxRoomSize || !printable(p.Name), "name", "%.40q is not a name of at most %d printable characters", p.Name, maxRoomSize)
	c.bounds(p)
	p.checkTarget(&c)
	p.checkGreeting(&c)
	p.checkBatch(&c)
	p.checkStream(&c)
	p.checkPlain(&c)
	p.checkPublishing(&c)
	p.checkLoad(&c)
	p.checkViewers(&c)
	if len(c) == 0 {
		p.checkSums(&c)
	}
	return errors.Join(c...)
}

func (p *Plan) checkTarget(c *problems) {
	c.when(len(p.URLs) == 0, "url", "is missing, such as ws://127.0.0.1:8080")
	c.length("url", len(p.URLs), maxListLength)
	for _, text := range p.URLs {
		err := checkTargetURL(text, p.IsPlain())
		c.when(err != nil, "url", "%w", err)
	}
	_, known := findPreset(p.Preset)
	c.when(!known && p.Preset != "", "preset", "%q is not %s", p.Preset, presetNames())
	checkHeaders(c, "header", p.Headers, isHandshakeHeader, "{room}", "{user}", "{token}")
	c.length("subprotocol", len(p.Subprotocols), maxListLength)
	for _, name := range p.Subprotocols {
		c.when(!isToken(name), "subprotocol", "%q is not a name of letters, digits and !#$%%&'*+-.^_`|~", name)
	}
	digits, skips := strings.CutPrefix(p.Stamp, "skip:")
	n, err := strconv.Atoi(digits)
	c.when(skips && (err != nil || n < 0 || n > maxSize), "stamp", "%q is not skip:N with N from 0 to %d", p.Stamp, maxSize)
	c.when(!skips && p.Stamp != "search", "stamp", "%q is not search or skip:N", p.Stamp)
}

// checkGreeting: like a room's name, a user's goes into URLs, JSON and headers alike.
func (p *Plan) checkGreeting(c *problems) {
	checkText(c, "open-text", p.OpenText, "{room}", "{user}", "{token}")
	_, err := hex.DecodeString(p.OpenHex)
	c.when(err != nil || len(p.OpenHex) > maxTextSize, "open-hex", "%.40q is not pairs of hexadecimal digits, %d bytes at most", p.OpenHex, maxTextSize/2)
	c.length("answer", len(p.Answers), maxListLength)
	for received, answer := range p.Answers {
		c.when(!isText(received+answer), "answer", "%.40q is not UTF-8 text, or longer than %d bytes", received, maxTextSize)
	}
	c.length("refusal", len(p.Refusals), maxListLength)
	for _, text := range p.Refusals {
		c.when(text == "" || !isText(text), "refusal", "%.40q is not UTF-8 text of 1 to %d bytes", text, maxTextSize)
	}
	checkWord(c, "user", p.User, maxUserSize, "{n}")
	checkWord(c, "token", p.Token, maxTokenSize, "{user}")
}

func (p *Plan) checkStream(c *problems) {
	if !p.IsStream() {
		return
	}
	const why = "viewers of --preset " + presetSSE + " have nothing to say"
	c.when(p.Publish == PublishSocket, "publish", "cannot be %s: %s", PublishSocket, why)
	c.when(p.OpenText != "" || p.OpenHex != "", "open-text", "%s", why)
	c.when(p.Deflate, "deflate", "is WebSocket's, not --preset %s's", presetSSE)
}

func (p *Plan) checkPlain(c *problems) {
	if !p.IsPlain() {
		return
	}
	const why = "--preset " + presetTCP + " has no request"
	c.when(!strings.Contains(p.OpenText, `{"id":1,`), "open-text", "has no command with the id 1, whose answer tells --preset %s that a viewer is in", presetTCP)
	c.when(p.OpenHex != "" || p.Binary, "open-hex", "and --binary are WebSocket's: --preset %s speaks in lines", presetTCP)
	c.when(p.Deflate, "deflate", "is WebSocket's: %s", why)
	c.when(len(p.Headers) > 0 || len(p.Subprotocols) > 0, "header", "and --subprotocol are WebSocket's: %s", why)
}

func (p *Plan) checkBatch(c *problems) {
	if !p.Batch {
		return
	}
	c.when(p.Preset != presetV1, "batch", "needs --preset %s, not %s", presetV1, p.Preset)
	c.when(!p.Deflate, "batch", "needs --deflate: uncompressed messages do not come in batches")
	c.when(p.Skip() >= 0, "batch", "needs --stamp search: a batch has several stamps")
	given := slices.ContainsFunc(p.URLs, func(text string) bool { return hasParameter(text, batchParameter) })
	c.when(given, "batch", "adds the parameter %s to --url, which has it already", batchParameter)
}

func checkWord(c *problems, flag, text string, most int, allowed string) {
	checkText(c, flag, text, allowed)
	c.when(len(text) > most, flag, "has %d bytes, more than %d", len(text), most)
	c.when(!isWord(text), flag, "has a space, quote, backslash or control character, which would not mean the same everywhere")
}

func (p *Plan) checkPublishing(c *problems) {
	switch p.Publish {
	case PublishNone:
		c.when(p.Rate > 0 && p.Duration > 0, "publish", "none leaves nobody to send --rate %s; say http, redis or socket, or --rate 0", settings.Format(p.Rate))
	case PublishHTTP:
		err := checkPublishURL(p.PublishURL)
		c.when(err != nil, "publish-url", "%w", err)
		// A GET may be repeated on the way, and count twice.
		c.when(!slices.Contains([]string{"POST", "PUT", "PATCH"}, p.PublishMethod), "publish-method", "%q is not POST, PUT or PATCH", p.PublishMethod)
		checkHeaders(c, "publish-header", p.PublishHeaders, isConnectionHeader)
		checkMessage(c, "publish-body", p.PublishBody)
	case PublishRedis:
		err := checkRedisURL(p.Redis)
		c.when(err != nil, "redis", "%w", err)
		checkText(c, "redis-channel", p.RedisChannel, "{room}")
		c.when(p.RedisChannel == "", "redis-channel", "is missing, such as room:{room}")
		checkMessage(c, "publish-body", p.PublishBody)
	case PublishSocket:
		checkMessage(c, "send-text", p.SendText)
	default:
		c.when(true, "publish", "%q is not http, redis, socket or none", p.Publish)
	}
}

// checkLoad: rooms' names go into URLs, JSON and Redis channels alike.
func (p *Plan) checkLoad(c *problems) {
	c.when(p.Rooms > p.Connections && p.Connections > 0, "rooms", "%d are more than --connections, %d", p.Rooms, p.Connections)
	checkText(c, "room", p.Room, "{n}")
	c.when(p.Room == "" || len(p.Room) > maxRoomSize, "room", "has %d characters, not from 1 to %d", len(p.Room), maxRoomSize)
	c.when(!isWord(p.Room), "room", "%.140q has a space, quote, backslash or control character, which would not mean the same everywhere", p.Room)
	c.when(p.Rooms > 1 && !strings.Contains(p.Room, "{n}"), "room", "%.140q has no {n}, so all %d rooms would have one name", p.Room, p.Rooms)
	c.when(p.Size < stamp.Len, "size", "%d is less than %d, the length of a stamp", p.Size, stamp.Len)
	c.when(p.Size > maxSize, "size", "%d is more than %d", p.Size, maxSize)
	n := p.Rate * p.Duration.Seconds()
	c.when(n > maxMessages, "rate", "%s per second for %v are %.0f messages, more than %d; lower it or --duration", settings.Format(p.Rate), p.Duration, n, uint32(maxMessages))
}

func (p *Plan) checkViewers(c *problems) {
	c.when(p.Slow+p.Stalled > 100, "slow", "%s and --stalled %s are more than 100 per cent", settings.Format(p.Slow), settings.Format(p.Stalled))
	c.when(p.Storms > 0 && p.Duration == 0, "storms", "come within --duration, which is 0s")
	if !p.Echo {
		return
	}
	c.when(p.Publish != PublishSocket, "echo", "needs --publish socket, not %s", p.Publish)
	c.when(p.Rooms != 1 || p.Zipf != 0, "echo", "gives each connection a room of its own: leave out --rooms and --zipf")
	c.when(!strings.Contains(p.Room, "{n}"), "echo", "gives each connection a room of its own: --room needs {n}")
}

// checkSums bounds what the controller and agents keep for each message lane.
func (p *Plan) checkSums(c *problems) {
	l := NewLayout(p)
	tracks, lanes := 0, 0
	for room := range l.Rooms() {
		tracks += l.Members(room) * l.Lanes(room)
		lanes += l.Lanes(room)
	}
	lower := "publishers"
	if p.Publish == PublishSocket {
		lower = "talkers"
	}
	c.when(max(tracks, lanes) > maxTracks, lower,
		"the viewers of all rooms times the senders they get messages of are %d, more than %d; lower it, or the viewers of a room", tracks, maxTracks)
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// checkText refuses placeholders that would be sent as they are.
func checkText(c *problems, flag, text string, allowed ...string) {
	if !isText(text) {
		c.when(true, flag, "%.40q is not UTF-8 text, or longer than %d bytes", text, maxTextSize)
		return
	}
	for _, found := range placeholder.FindAllString(text, -1) {
		c.when(!slices.Contains(allowed, found), flag, "%s means nothing here; there is %s", found, strings.Join(allowed, " and "))
	}
}

// checkMessage checks what a message is put into.
func checkMessage(c *problems, flag, text string) {
	checkText(c, flag, text, "{room}", "{payload}")
	c.when(!strings.Contains(text, "{payload}"), flag, "%.40q has no {payload}, so no message could be told from another", text)
}

func isText(text string) bool { return len(text) <= maxTextSize && utf8.ValidString(text) }

// isWord reports whether text means the same in URLs, JSON, headers and channels.
func isWord(text string) bool { return printable(text) && !strings.ContainsAny(text, "\"\\ ") }

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
}
