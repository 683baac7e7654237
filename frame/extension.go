// Negotiating permessage-deflate in the header Sec-WebSocket-Extensions (RFC 7692
// section 7.1), for both sides.
//
// wsflate.Parameters does not serve here: it takes window bits with leading
// zeros and a name given twice, and the parser it needs, httphead, takes two
// names in a row and a semicolon or an equals sign with nothing behind it.

package frame

import (
	"strconv"
	"strings"
)

const (
	extensionsHeader = "Sec-WebSocket-Extensions"
	deflateName      = "permessage-deflate"

	// deflateTerms is what a client offers here and a server answers: neither
	// side refers back to an earlier message. So one compressed message suits
	// all connections, and none needs a window of its own.
	deflateTerms = deflateName + "; server_no_context_takeover; client_no_context_takeover"

	// Sizes of windows, as their base-2 logarithms. 8 may be asked for by the RFC, but
	// zlib, of which most peers are made, cannot work with it.
	wholeWindow    = 15
	smallestWindow = 9
)

// OffersDeflate tells on which terms permessage-deflate is agreed on, if the client
// offers it on such. Offers with server_max_window_bits=8 or wrong parameters are passed
// over for the next (RFC 7692 section 7.1).
//
// A header that is no list of extensions at all is an *HTTPError, since on that
// RFC 6455 section 9.1 fails the connection.
func (r *Request) OffersDeflate() (Deflate, error) {
	agreed, _, err := r.answerDeflate()
	return agreed, err
}

// answerDeflate returns the answer to the first offer that is kept, empty if none is.
func (r *Request) answerDeflate() (agreed Deflate, answer string, err error) {
	header, _ := findHeader(r.headers, extensionsHeader)
	offers, ok := parseExtensions(header)
	if !ok {
		return NoDeflate, "", badRequest("malformed " + extensionsHeader + " header")
	}
	for _, offer := range offers {
		terms, ok := offer.deflate()
		switch {
		case !ok || terms.serverBits != 0 && terms.serverBits < smallestWindow:
			continue
		case terms.serverBits == 0:
			return WholeWindow, deflateTerms, nil
		case terms.serverBits < wholeWindow:
			agreed = SmallWindow
		default:
			agreed = WholeWindow
		}
		// It is accepted by repeating it (section 7.1.2.1).
		return agreed, deflateTerms + "; server_max_window_bits=" + strconv.Itoa(terms.serverBits), nil
	}
	return NoDeflate, "", nil
}

// acceptsDeflate reports whether a server's header agrees to what a client
// offers here, and says what is wrong with it.
func acceptsDeflate(header string) (agreed bool, wrong string) {
	answers, ok := parseExtensions(header)
	switch {
	case !ok:
		return false, "malformed " + extensionsHeader + " header"
	case len(answers) == 0:
		return false, ""
	case len(answers) > 1 || answers[0].name != deflateName:
		return false, "extension that was not offered"
	}
	// A server that keeps its window could not be understood, and one may limit
	// the client's only if the offer says so (section 7.1.2.2).
	terms, ok := answers[0].deflate()
	if !ok || !terms.serverForgets || terms.clientBits != 0 {
		return false, deflateName + " on terms that were not offered"
	}
	return true, ""
}

func appendExtension(dst []byte, value string) []byte {
	dst = append(dst, "\r\n"+extensionsHeader+": "...)
	return append(dst, value...)
}

// deflateParams is the parameters of one offer or answer.
type deflateParams struct {
	serverForgets, clientForgets bool // no context takeover
	serverBits, clientBits       int  // of the window; 0 if not given
}

// deflate reads the parameters of permessage-deflate. It is false for another
// extension, and where an offer or answer must be declined: for an unknown
// parameter, one given twice, and an invalid value.
func (e *extension) deflate() (p deflateParams, ok bool) {
	if e.name != deflateName {
		return p, false
	}
	for _, q := range e.params {
		switch q.name {
		case "server_no_context_takeover":
			ok = !q.hasValue && !p.serverForgets
			p.serverForgets = true
		case "client_no_context_takeover":
			ok = !q.hasValue && !p.clientForgets
			p.clientForgets = true
		case "server_max_window_bits":
			ok = p.serverBits == 0
			p.serverBits = windowBits(q.value)
			ok = ok && p.serverBits != 0
		case "client_max_window_bits":
			ok = p.clientBits == 0
			p.clientBits = wholeWindow // an offer may leave out the value
			if q.hasValue {
				p.clientBits = windowBits(q.value)
			}
			ok = ok && p.clientBits != 0
		default:
			ok = false
		}
		if !ok {
			return p, false
		}
	}
	return p, true
}

// windowBits is the number from 8 to 15 that s is, without leading zeros, and 0
// if s is none.
func windowBits(s string) int {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || s[0] == '0' || n < 8 || n > 15 {
		return 0
	}
	return int(n)
}

// extension is an element of the list in the header.
type extension struct {
	name   string
	params []extensionParam
}

type extensionParam struct {
	name, value string
	hasValue    bool
}

// parseExtensions parses the list by RFC 6455 section 9.1, whose rules allow
// space between any two words. Empty elements are left out, as RFC 9110 section
// 5.6.1.2 asks of a recipient; a list may be empty altogether. So are empty parameters,
// which some clients write behind the last one.
func parseExtensions(list string) (exts []extension, ok bool) {
	s := extensionScanner{rest: list}
	for {
		for s.take(',') {
		}
		if s.rest == "" {
			return exts, true
		}
		e := extension{name: s.token()}
		for s.take(';') {
			if s.atEnd(";,") {
				continue
			}
			p := extensionParam{name: s.token()}
			if s.take('=') {
				p.value, p.hasValue = s.value(), true
			}
			e.params = append(e.params, p)
		}
		if s.failed || s.rest != "" && s.rest[0] != ',' {
			return nil, false
		}
		exts = append(exts, e)
	}
}

// extensionScanner takes words off the beginning of rest. After a failure what
// it returns means nothing.
type extensionScanner struct {
	rest   string
	failed bool
}

// take skips space, and c if it comes next.
func (s *extensionScanner) take(c byte) bool {
	s.rest = strings.TrimLeft(s.rest, " \t")
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// atEnd skips space, and reports whether nothing follows, or one of these characters.
func (s *extensionScanner) atEnd(chars string) bool {
	s.rest = strings.TrimLeft(s.rest, " \t")
	return s.rest == "" || strings.IndexByte(chars, s.rest[0]) >= 0
}

func (s *extensionScanner) token() string {
	s.rest = strings.TrimLeft(s.rest, " \t")
	n := 0
	for n < len(s.rest) && isTokenChar(s.rest[n]) {
		n++
	}
	s.failed = s.failed || n == 0
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

// value takes a token, or a quoted string that is a token when unquoted.
func (s *extensionScanner) value() string {
	if !s.take('"') {
		return s.token()
	}
	var value strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			s.rest = s.rest[i+1:]
			s.failed = s.failed || !isToken(value.String())
			return value.String()
		case '\\':
			i++ // the character behind it counts as it is
		}
		if i < len(s.rest) {
			value.WriteByte(s.rest[i])
		}
	}
	s.failed = true // no end
	return ""
}
